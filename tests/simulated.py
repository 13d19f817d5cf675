"""Simulated spectra of known content and a small method made from them; quick enough for any test.

Two powders, each with bands of its own; every spectrum has its own gain and offset (scatter) and noise. Nothing
here is measured.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pat import artefact
from pat.artefact import Arrays, Content
from pat.core import diagnostics, pls
from pat.core.evidence import Rule
from pat.core.preprocess import Treatment
from pat.core.types import Array
from pat.scorer import Scorer
from pat.scorer.proof import follow_known

WAVELENGTH = np.arange(1000.0, 1240.0, 4.0)
# 1120 and 1124 nm are left out, so that the treated axis has a gap.
RANGES = [[1004.0, 1116.0], [1128.0, 1232.0]]
STEPS: list[dict[str, Any]] = [
    {"step": "snv"},
    {"step": "savitzky_golay", "window": 7, "polyorder": 2, "deriv": 1},
]
TARGET = 10.0

RULE = Rule(
    block_size=8,
    target=TARGET,
    max_rsd=3.0,
    max_mean_deviation=4.0,
    repeatability=0.05,
    slope=0.98,
    ratios=(0.35, 0.5, 0.65, 0.8),
    weights=(1.0, 1.0, 1.0, 1.0),
    threshold=6.0,
    centre_size=10,
    pocket_sd=3.0,
    pocket_window=15,
    quiet_sd=3.0,
    quiet_window=1,
    quiet_cost=1000,
    steady_ratio=8.0,
    f_quantile=1.3,
    mbsd_limit=1.0,
    least_level_step=2e-3,
    least_contrast_step=1e-4,
    least_novelty=5e-4,
    least_mbsd=2e-5,
    least_sd=0.005,
    least_contrast=0.05,
    residual_drift_limit=1.5e-7,
    axis_shift_limit=0.02,
    level_drift_limit=0.1,
    contrast_drift_limit=0.02,
    repeat_distance=1e-4,
    upper_factor=1.7,
    watch_ratios=(0.5, 0.9),
    watch_threshold=7.0,
    watch_block_ratio=50.0,
    watch_mean_step=0.3,
    watch_mean_threshold=8.0,
    fault_run=4,
    confirm_run=4,
    min_revolutions=20,
    max_revolutions=200,
)


def _band(centre: float, width: float) -> Array:
    return np.asarray(np.exp(-(((WAVELENGTH - centre) / width) ** 2) / 2.0))


def _powders(shift: float) -> tuple[Array, Array]:
    """Active and filler, as an axis shows them that reads bands too far right by `shift` (nm)."""
    active = 0.9 * _band(1060.0 + shift, 14.0) + 0.6 * _band(1170.0 + shift, 16.0)
    filler = 0.5 * _band(1030.0 + shift, 30.0) + 0.4 * _band(1140.0 + shift, 35.0) + 0.3 * _band(1210.0 + shift, 25.0)
    return active, filler


def spectra(content: Any, seed: int, *, shift: float = 0.0) -> Array:
    """Absorbance (AU) of shape (n, 60) for contents (n,) in % w/w, on an axis shifted by `shift` (nm)."""
    rng = np.random.default_rng([seed, 11])
    share = np.atleast_1d(np.asarray(content, dtype=np.float64))[:, None] / 100.0
    gain = 1.0 + 0.05 * rng.standard_normal(share.shape)
    offset = 0.3 + 0.03 * rng.standard_normal(share.shape)
    noise = 5e-5 * rng.standard_normal((share.size, WAVELENGTH.size))
    active, filler = _powders(shift)
    return np.asarray(offset + gain * (share * active + (1.0 - share) * filler) + noise)


def settled(n: int, seed: int, *, mean: float = TARGET, rsd: float = 0.8, shift: float = 0.0) -> Array:
    """Spectra (n, 60) of a blend whose content varies by `rsd` (%) and no longer changes."""
    rng = np.random.default_rng([seed, 12])
    return spectra(mean * (1.0 + rsd / 100.0 * rng.standard_normal(n)), seed, shift=shift)


def blending(n: int, seed: int) -> Array:
    """Spectra (n, 60) of a blend whose RSD falls from 40 % to 0.8 %."""
    rng = np.random.default_rng([seed, 13])
    rsd = np.hypot(0.4 * np.exp(-0.12 * np.arange(n)), 0.008)
    return spectra(TARGET * (1.0 + rsd * rng.standard_normal(n)), seed)


def make_content(
    *, rule: Rule | None = RULE, steps: Any = STEPS, ranges: Any = RANGES, saturation: float | None = 2.5
) -> Content:
    """Calibrate on 80 spectra and put together what an artefact decides by."""
    reference = np.tile(np.linspace(6.0, 14.0, 16), 5)
    treat = Treatment(WAVELENGTH, ranges, steps)
    treated, fresh = treat(spectra(reference, 1)), treat(spectra(reference, 2))
    model = pls.fit(pls.moments(treated, reference, treated.mean(axis=0), float(reference.mean())), 3)
    _, t2, q = diagnostics.evaluate(model, fresh)
    document = {
        "name": "small",
        "version": 1,
        "product": "Two powders (simulated)",
        "analyte": {"name": "api", "units": "% w/w", "target": TARGET, "low": 6.0, "high": 14.0},
        "ranges": ranges,
        "saturation": saturation,
        "steps": steps,
        "n_components": model.n_components,
        "limits": {"hotelling_t2": 2.0 * float(t2.max()), "q_residuals": 2.0 * float(q.max()), "confidence": 0.999},
        "rule": rule.to_dict() if rule else None,
        "claim": {"max_rsd_percent": rule.max_rsd, "risk_per_batch": 0.01} if rule else None,
        "conventions": artefact.CONVENTIONS,
    }
    return Content(artefact.model_arrays(WAVELENGTH, model), document)


def known_answers(content: Content) -> Arrays:
    """Return six raw spectra with the numbers of the content's own model."""
    absorbance = spectra(np.linspace(7.0, 13.0, 6), 3)
    got = Scorer(content).predict(absorbance)
    return {
        "absorbance": absorbance,
        "value": got.value,
        "hotelling_t2": got.hotelling_t2,
        "q_residuals": got.q_residuals,
    }


def known_blend(content: Content) -> Arrays | None:
    """Return a blend that becomes uniform, with the scorer's own readings; None for a content without a rule."""
    if content.document["rule"] is None:
        return None
    return follow_known(Scorer(content), blending(80, 3), np.arange(1.0, 81.0))


VALIDATION = {"passed": True, "criteria": [], "figures": {}, "endpoints": [], "batches": []}


def write_artefact(folder: Any, content: Content, **changed: Any) -> str:
    """Write an artefact of `content`, with known answers and a passed validation unless others are given."""
    given: dict[str, Any] = {
        "known_answers": known_answers(content),
        "known_blend": known_blend(content),
        "validation": VALIDATION,
        "report": "<!doctype html><title>Simulated</title>",
        "source": {"data_sha256": "0" * 64},
    }
    return artefact.write(folder, content, **(given | changed))


def rule_with(**changed: Any) -> Rule:
    """Return `RULE` with some constants changed."""
    return replace(RULE, **changed)
