"""Every step once, in chains that fit a small axis: what all chains must hold is tested on all of them."""

from __future__ import annotations

from typing import Any

import numpy as np

AXIS = np.linspace(950.0, 1650.0, 85)
REFERENCE = 0.5 + 0.2 * np.sin(AXIS / 60.0) + 0.1 * np.cos(AXIS / 23.0)
_BANDS = np.exp(-(((AXIS - np.array([[1100.0], [1400.0]])) / 40.0) ** 2))

SNV: dict[str, Any] = {"step": "snv"}
SG: dict[str, Any] = {"step": "savitzky_golay", "window": 9, "polyorder": 2, "deriv": 1}


def _standardise(n_directions: int = 0) -> dict[str, Any]:
    """Weights that smooth, and gain and offset of another instrument; onto the same axis, so that it fits anywhere."""
    rng = np.random.default_rng(6)
    p = AXIS.size
    return {
        "step": "standardise",
        "source": AXIS.tolist(),
        "target": AXIS.tolist(),
        "first": np.clip(np.arange(p) - 2, 0, p - 5).tolist(),
        "weights": (0.2 + 0.05 * rng.standard_normal((p, 5))).tolist(),
        "inner": (0.1 * rng.standard_normal((n_directions, p))).tolist(),
        "outer": (0.1 * rng.standard_normal((n_directions, p))).tolist(),
        "offset": (0.05 * np.sin(AXIS / 50.0)).tolist(),
    }


# Chains of one step each, by the step's name; `calibration` where they learn.
STEPS: dict[str, dict[str, Any]] = {
    "absorbance": {"step": "absorbance"},
    "snv": SNV,
    "rnv": {"step": "rnv", "percentile": 25.0},
    "msc": {"step": "msc", "reference": "calibration"},
    "emsc": {"step": "emsc", "degree": 2, "reference": "calibration", "interferents": _BANDS[:1].tolist()},
    "savitzky_golay": SG,
    "gap_segment": {"step": "gap_segment", "deriv": 2, "segment": 3, "gap": 5},
    "detrend": {"step": "detrend", "degree": 2},
    "normalise": {"step": "normalise", "norm": "unit_vector"},
    "select": {"step": "select", "ranges": [[1000.0, 1200.0], [1300.0, 1600.0]]},
    "interpolate": {"step": "interpolate", "target": {"low": 960.0, "high": 1640.0, "spacing": 7.0}, "kind": "cubic"},
    "centre": {"step": "centre", "reference": "calibration"},
    "scale": {"step": "scale", "deviation": "calibration"},
    "epo": {"step": "epo", "spectra": _BANDS.tolist(), "n_components": 2},
    "osc": {"step": "osc", "n_components": 1, "directions": "calibration"},
    "standardise": _standardise(),
    "baseline": {"step": "baseline", "method": "asls", "parameters": {"lam": 1e5}},
}
LINEAR = {
    *("savitzky_golay", "gap_segment", "detrend", "select", "interpolate", "centre", "scale", "epo", "osc"),
    "standardise",
}

# Direct standardisation, which has directions beside its band.
DIRECT = _standardise(3)

CHAINS: dict[str, list[dict[str, Any]]] = {
    "nothing": [],
    **{name: [step] for name, step in STEPS.items()},
    "direct standardisation": [DIRECT],
    "direct standardisation, snv, derivative": [DIRECT, SNV, SG],
    "snv, derivative": [SNV, SG],
    "snv, smoothing": [SNV, SG | {"deriv": 0}],
    "snv, derivative, snv": [SNV, SG, SNV],
    "normalise, two derivatives, selection": [STEPS["normalise"], SG, STEPS["gap_segment"] | {"deriv": 1}]
    + [{"step": "select", "ranges": [[1100.0, 1500.0]]}],
    "emsc, smoothing, centre, scale": [STEPS["emsc"], SG | {"deriv": 0}, STEPS["centre"], STEPS["scale"]],
    "absorbance, interpolation, rnv, third derivative": [
        STEPS["absorbance"],
        STEPS["interpolate"],
        STEPS["rnv"],
        {"step": "savitzky_golay", "window": 11, "polyorder": 3, "deriv": 3},
    ],
}


def spectra(n: int, seed: int = 0) -> np.ndarray:
    """Simulated readings above 0, that every step can treat."""
    rng = np.random.default_rng(seed)
    x = REFERENCE * (1.0 + 0.1 * rng.standard_normal((n, 1))) + rng.uniform(0.0, 0.3, (n, 1))
    return np.asarray(x + rng.uniform(0.0, 0.2, (n, 2)) @ _BANDS + 1e-3 * rng.standard_normal((n, AXIS.size)))


def references(n: int, seed: int = 0) -> np.ndarray:
    """Reference values that go with nothing in particular."""
    return np.random.default_rng(seed + 1).standard_normal(n)
