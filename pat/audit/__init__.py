"""The audit trail: who did what, when and why, in entries that each bind the one before (stdlib alone).

::

    from pat.audit import Trail, verify

    trail = Trail.open()
    trail.record("approve", kind="artefact", id=digest, reason="fit for its purpose", artefact=digest)
    print(verify(trail.path).in_words())

No function here changes or removes an entry, and nothing turns the trail off.
"""

from pat.audit.anchors import read_anchors, write_anchor
from pat.audit.entry import Entry, Head
from pat.audit.problems import Problem
from pat.audit.runs import Run
from pat.audit.trail import Trail, default_place
from pat.audit.verification import Report, verify

__all__ = [
    "Entry",
    "Head",
    "Problem",
    "Report",
    "Run",
    "Trail",
    "default_place",
    "read_anchors",
    "verify",
    "write_anchor",
]
