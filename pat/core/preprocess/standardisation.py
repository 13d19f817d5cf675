"""Spectra of one instrument brought to the axis and the response of another: the affine map, and its step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pat.core.preprocess.derivatives import weighted_into
from pat.core.preprocess.products import product
from pat.core.types import Array, IntArray
from pat.errors import InputError

# Wavelengths (nm) that lie so near are the same, written with fewer digits.
_SAME_NM = 1e-3


@dataclass(frozen=True)
class Standardisation:
    """x -> B x + U V' x + b: a band beside the diagonal, a few directions, and an offset.

    Piecewise direct standardisation is a band, direct standardisation what is known without it (the same wavelength,
    or its neighbours on another axis) plus a few directions. `pat.core.transfer` learns both.

    Attributes
    ----------
    source : ndarray of shape (p,)
        Axis of the spectra that come in (nm): the new instrument's.
    target : ndarray of shape (q,)
        Axis of those that go out (nm): the old one's.
    first : ndarray of int, shape (q,)
        First channel of the source that each wavelength of the target is computed from.
    weights : ndarray of shape (q, k)
        Its weights, and those of the k - 1 channels after it.
    inner, outer : ndarray of shape (r, p), ndarray of shape (r, q)
        V' and U'; r may be 0.
    offset : ndarray of shape (q,)
        b (AU where spectra are).

    Raises
    ------
    InputError
        If the parts do not fit each other, or a number is not finite.
    """

    source: Array
    target: Array
    first: IntArray
    weights: Array
    inner: Array
    outer: Array
    offset: Array

    def __post_init__(self) -> None:
        p, q = self.source.size, self.target.size
        r = len(self.inner)
        shapes = {"first": (q,), "offset": (q,), "inner": (r, p), "outer": (r, q)}
        for name, shape in shapes.items():
            if (found := getattr(self, name)).shape != shape:
                raise InputError(f"`{name}` of a standardisation must have shape {shape}, got {found.shape}")
        width = self.weights.shape[1] if self.weights.ndim == 2 else 0
        if self.weights.shape != (q, width) or not 1 <= width <= p:
            raise InputError(
                f"`weights` of a standardisation must have shape ({q}, 1 to {p}), got {self.weights.shape}"
            )
        if self.first.min() < 0 or self.first.max() > p - width:
            raise InputError(
                f"`first` of a standardisation must lie from 0 to {p - width}, got {self.first.tolist()[:5]}"
            )
        for name in ("weights", "inner", "outer", "offset"):
            if not np.isfinite(getattr(self, name)).all():
                raise InputError(f"`{name}` of a standardisation must be finite")

    def require_source(self, wavelength: Array) -> None:
        """Refuse spectra on another axis (p,) than the source's, which the map would take for it."""
        here = self.source
        if here.shape != wavelength.shape or not np.allclose(here, wavelength, rtol=0.0, atol=_SAME_NM):
            raise InputError(
                f"it was learnt for {here.size} wavelengths from {here[0]:g} to {here[-1]:g} nm, got {wavelength.size} "
                f"from {wavelength[0]:g} to {wavelength[-1]:g} nm, or others between them"
            )

    @classmethod
    def of_step(cls, parameters: dict[str, Any]) -> Standardisation:
        """Read the parameters of a step ``standardise``, as `document` writes them."""
        numbers = {name: np.asarray(parameters[name], dtype=np.float64) for name in ("source", "target", "offset")}
        p, q = numbers["source"].size, numbers["target"].size
        return cls(
            **numbers,
            first=np.asarray(parameters["first"], dtype=np.int64),
            weights=np.asarray(parameters["weights"], dtype=np.float64),
            # Without directions nothing says how long they would be.
            inner=np.asarray(parameters["inner"], dtype=np.float64).reshape(-1, p),
            outer=np.asarray(parameters["outer"], dtype=np.float64).reshape(-1, q),
        )

    def step(self) -> dict[str, Any]:
        """Return the map as a preprocessing step: plain JSON."""
        return {"step": "standardise", **{name: array.tolist() for name, array in vars(self).items()}}

    def band_into(self, x: Array, out: Array) -> None:
        """Fill an array (n, q) with B x of spectra (n, p)."""
        weighted_into(x, out, self.first, self.weights)

    def into(self, x: Array, out: Array) -> None:
        """Fill an array (n, q) with standardised spectra (n, p); each has the same bits alone and in a block."""
        self.band_into(x, out)
        if len(self.inner):
            out += product(product(x, self.inner.T), self.outer)
        out += self.offset

    def __call__(self, x: Array) -> Array:
        """Standardise spectra (n, p); returns (n, q)."""
        out = np.empty((x.shape[0], self.target.size))
        self.into(x, out)
        return out
