"""Numbers that the statistics take from the laboratory."""

from __future__ import annotations

from dataclasses import dataclass

from pat.core.blocks.target import Reference
from pat.core.types import Array


@dataclass(frozen=True)
class Constants:
    """Numbers that the statistics take from the laboratory; None where there are none.

    Attributes
    ----------
    n_components : int
        Components of the PCA of a block.
    separate_blocks : int
        Blocks that Brown-Forsythe compares, at most 5.
    upper_factor, repeatability, slope : float
        See `pat.core.blocks.rsd_upper`.
    f_quantile : float
        Quantile of F with the effective degrees of freedom, for the upper bound of moving F.
    residual_limit, score_limit : float
        See `pat.core.blocks.caterpillar`.
    t2_limit, q_limit : float
        Of the target model.
    targets : ndarray of shape (K,)
        Nominal contents of the components (analyte units).
    reference : Reference
        Good treated spectra.
    static_variance : float
        Spectral variance of a static probe.
    """

    n_components: int = 2
    separate_blocks: int = 4
    upper_factor: float | None = None
    repeatability: float | None = None
    slope: float | None = None
    f_quantile: float | None = None
    residual_limit: float | None = None
    score_limit: float | None = None
    t2_limit: float | None = None
    q_limit: float | None = None
    targets: Array | None = None
    reference: Reference | None = None
    static_variance: float | None = None

    @property
    def reference_sd(self) -> Array | None:
        """SDs of good spectra, where the reference has them."""
        return None if self.reference is None else self.reference.sd
