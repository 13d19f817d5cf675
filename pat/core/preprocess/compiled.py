"""What a preprocessing step is once it is compiled for an axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pat.core.preprocess.scatter import RowCorrection
from pat.core.types import Array


@dataclass(frozen=True)
class Compiled:
    """A step compiled for an axis.

    Attributes
    ----------
    wavelength : ndarray of shape (p_out,)
        Axis of what the step gives.
    into : callable
        Takes spectra (n, p_in), C-contiguous and not to be changed, and an array (n, p_out) to fill, C-contiguous.
    affine : bool
        Whether it is x -> A x + b with the same A and b for every spectrum.
    blind_to_offset : bool
        Whether it is x -> A x with A 1 = 0: derivatives are.
    correction : callable or None
        For a step that is (x - offset) factor, with an offset and a factor for each spectrum: what gives these.
    removal : (ndarray, ndarray) or None
        For a step that is x - P W'(x - m), or B x - P W'(x - m): W of shape (p_in, k) and P of shape (p_out, k).
    band : Compiled or None
        For a step with a `removal`: B, where it is not the identity.
    """

    wavelength: Array
    into: Callable[[Array, Array], None]
    affine: bool = False
    blind_to_offset: bool = False
    correction: RowCorrection | None = None
    removal: tuple[Array, Array] | None = None
    band: Compiled | None = None
