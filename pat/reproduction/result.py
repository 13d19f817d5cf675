"""What came of rebuilding an artefact, and which promise that was held against."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pat.reproduction.comparing import TOLERANCE, Difference

IDENTICAL, EQUAL, DIFFERS = "identical", "equal", "differs"
_WIDTH = 80


@dataclass(frozen=True)
class Reproduction:
    """An artefact beside what its recorded inputs gave once more.

    Attributes
    ----------
    subject : str
        The artefact, as the user called it.
    released : bool
    commit : str
        What it was rebuilt from.
    digest, rebuilt_digest : str
        Content digests.
    kernel, rebuilt_kernel : str or None
        CPU kernels; None where none was recorded.
    differences : sequence of Difference
        Parts that did not come out bit for bit.
    inputs : mapping of str to str
        SHA-256 of every input of the stages, before they ran.
    faults : sequence of str
        Why the rebuilding proves nothing, or the record is not what it says: an input that changed meanwhile, a lock
        file or a hash that names another input.
    notes : sequence of str
        What a reader has to know beside.
    """

    subject: str
    released: bool
    commit: str
    digest: str
    rebuilt_digest: str
    kernel: str | None
    rebuilt_kernel: str | None
    differences: Sequence[Difference]
    inputs: Mapping[str, str]
    faults: Sequence[str]
    notes: Sequence[str]

    @property
    def promises_bits(self) -> bool:
        """Whether the same bits are promised: the CPU kernel is the recorded one."""
        return self.kernel is not None and self.kernel == self.rebuilt_kernel

    @property
    def verdict(self) -> str:
        """``identical``, ``equal`` within 1e-9, or ``differs``."""
        if self.digest == self.rebuilt_digest and not self.differences:
            return IDENTICAL
        within = bool(self.differences) and all(difference.within for difference in self.differences)
        return EQUAL if within else DIFFERS

    @property
    def held(self) -> bool:
        """Whether the promise that is due was kept, and nothing speaks against the record."""
        return self.verdict in ((IDENTICAL,) if self.promises_bits else (IDENTICAL, EQUAL)) and not self.faults

    @property
    def promise(self) -> str:
        """Which promise was checked, and why."""
        if self.promises_bits:
            return f"the same bits, for the CPU kernel is the recorded one ({self.kernel})"
        why = f"recorded {self.kernel}, here {self.rebuilt_kernel}" if self.kernel else "none was recorded"
        return f"equal within {TOLERANCE:g} relative, for the CPU kernel is not known to be the same ({why})"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        taken = ("subject", "released", "commit", "digest", "rebuilt_digest", "kernel", "rebuilt_kernel")
        return {
            **{name: getattr(self, name) for name in taken},
            "verdict": self.verdict,
            "held": self.held,
            "promise": self.promise,
            "differences": [difference.to_dict() for difference in self.differences],
            "inputs": dict(self.inputs),
            "faults": list(self.faults),
            "notes": list(self.notes),
        }

    def in_words(self) -> str:
        """Return the result in lines of at most 80 characters."""
        said = {IDENTICAL: "identical, bit for bit", EQUAL: f"equal within {TOLERANCE:g}", DIFFERS: "it DIFFERS"}
        lines = [
            f"{self.subject}: {said[self.verdict]}{'' if self.held else '; the promise is NOT kept'}",
            f"promise checked: {self.promise}",
            f"rebuilt from commit {self.commit} and {len(self.inputs)} inputs, hashed before and after",
            f"digest recorded {self.digest}",
            f"digest rebuilt  {self.rebuilt_digest}",
            *(f"fault: {fault}" for fault in self.faults),
            *(f"{difference.part}: {difference.what}" for difference in self.differences),
            *(f"note: {note}" for note in self.notes),
        ]
        return "\n".join(textwrap.fill(line, _WIDTH, subsequent_indent="  ") for line in lines)
