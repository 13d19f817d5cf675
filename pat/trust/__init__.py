"""Who may sign what: keys, their roles and their revocations, offline and under a site's own root.

::

    from pat.trust import PrivateKey, Trust

    key = PrivateKey.load("anna.key", passphrase)
    signed = key.sign({"format": "...", "time": now(), ...})
    signer = Trust.load().verify(signed, role="author")
"""

from pat.trust.folder import Signer, Trust, default_folder
from pat.trust.keyring import ROLES, Key, KeyRing
from pat.trust.keys import LEAST_PASSPHRASE, PrivateKey
from pat.trust.revocations import Revocation, Revocations
from pat.trust.signed import Signed
from pat.trust.times import now

__all__ = [
    "LEAST_PASSPHRASE",
    "ROLES",
    "Key",
    "KeyRing",
    "PrivateKey",
    "Revocation",
    "Revocations",
    "Signed",
    "Signer",
    "Trust",
    "default_folder",
    "now",
]
