"""Programs that others wrote, to compare with, imported in peace: chemotools' docstrings warn when first compiled."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from chemotools.derivative import NorrisWilliams
    from chemotools.projection import ExternalParameterOrthogonalization, OrthogonalSignalCorrection
    from chemotools.scatter import (
        ExtendedMultiplicativeScatterCorrection,
        MultiplicativeScatterCorrection,
        RobustNormalVariate,
    )

__all__ = [
    "ExtendedMultiplicativeScatterCorrection",
    "ExternalParameterOrthogonalization",
    "MultiplicativeScatterCorrection",
    "NorrisWilliams",
    "OrthogonalSignalCorrection",
    "RobustNormalVariate",
]
