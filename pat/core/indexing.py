"""Rows and columns as slices, where they lie together."""

from __future__ import annotations

from pat.core.types import IntArray


def consecutive(places: IntArray) -> slice | IntArray:
    """Return increasing positions as a slice if they lie together: then nothing is copied to select them."""
    together = places.size and places[-1] - places[0] == places.size - 1
    return slice(int(places[0]), int(places[-1]) + 1) if together else places
