"""Released, not just trained: who wrote, reviewed, approved and released an artefact, bound to its exact bytes.

::

    from pat import release
    from pat.trust import PrivateKey, Trust

    trust, key = Trust.load("trust"), PrivateKey.load("anna.key", passphrase)
    release.sign("models/demo/artefact", key, trust, role="author", comment="first version")
    ...
    folder = release.release("models/demo/artefact", key, trust, valid_until="2027-11-24T00:00:00Z")
    found, record = release.load(folder, trust=trust)
"""

from pat.release.approving import sign
from pat.release.loading import ARTEFACT, RECORD, is_released, load
from pat.release.record import Release
from pat.release.releasing import release
from pat.release.signatures import MEANINGS, STEPS, Signature

__all__ = ["ARTEFACT", "MEANINGS", "RECORD", "STEPS", "Release", "Signature", "is_released", "load", "release", "sign"]
