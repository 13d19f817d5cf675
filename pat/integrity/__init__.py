"""Is the record whole? The data integrity report (ALCOA+) of a store of spectra or of a scoring run.

::

    from pat.integrity import examine_store

    report = examine_store("raw.zarr")
    report.sound, report.conclusion
    report.of("finding"), report.of("note")

A **finding** breaks the integrity of the record: something is missing, changed, copied, out of order or unrecorded. A
**note** is what a reviewer has to know and may accept, such as saturated spectra or a pause of the blender.
"""

from __future__ import annotations

from pat.integrity.checks import CHECKS, Check, Item
from pat.integrity.page import page
from pat.integrity.report import Report
from pat.integrity.scored import examine_run, is_run
from pat.integrity.store import examine_store
from pat.integrity.trail import Recorded

__all__ = ["CHECKS", "Check", "Item", "Recorded", "Report", "examine_run", "examine_store", "is_run", "page"]
