"""The smallest artefact that scores: six wavelengths, one latent variable, no rule. Everything in it is simulated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pat import artefact
from pat.artefact import Arrays, Content
from pat.core import diagnostics, pls
from pat.core.preprocess import Treatment
from pat.core.types import Array
from pat.scorer import Scorer

WAVELENGTH = np.arange(1000.0, 1012.0, 2.0)
PRODUCT = "Tiny powder (simulated)"


def spectra(content: Any, seed: int) -> Array:
    """Absorbance (AU) of shape (n, 6) for contents (n,) in % w/w."""
    noise = 1e-3 * np.random.default_rng([seed, 31]).standard_normal((len(content), WAVELENGTH.size))
    return np.asarray(0.5 + 0.01 * np.asarray(content)[:, None] * np.arange(1.0, 7.0) + noise)


def make_content(version: int = 1, product: str = PRODUCT) -> Content:
    """Calibrate on 20 spectra, others for every version."""
    reference = np.linspace(8.0, 12.0, 20)
    treat = Treatment(WAVELENGTH, [[1000.0, 1010.0]], [])
    treated = treat(spectra(reference, version))
    model = pls.fit(pls.moments(treated, reference, treated.mean(axis=0), float(reference.mean())), 1)
    _, t2, q = diagnostics.evaluate(model, treated)
    document = {
        "name": "tiny",
        "version": version,
        "product": product,
        "analyte": {"name": "api", "units": "% w/w", "target": 10.0, "low": 6.0, "high": 14.0},
        "ranges": [[1000.0, 1010.0]],
        "saturation": None,
        "steps": [],
        "n_components": 1,
        "limits": {"hotelling_t2": 2.0 * float(t2.max()), "q_residuals": 2.0 * float(q.max()), "confidence": 0.99},
        "rule": None,
        "claim": None,
        "conventions": {},
    }
    return Content(artefact.model_arrays(WAVELENGTH, model), document)


def _known(content: Content) -> Arrays:
    absorbance = spectra(np.array([9.0, 11.0]), 2)
    got = Scorer(content).predict(absorbance)
    return {"absorbance": absorbance, **{name: getattr(got, name) for name in artefact.KNOWN_ANSWERS[1:]}}


def write(folder: Path, content: Content | None = None, **changed: Any) -> str:
    """Write the artefact, and return its content digest."""
    content = content or make_content()
    given: dict[str, Any] = {
        "known_answers": _known(content),
        "known_blend": None,
        "validation": {"passed": True},
        "report": "<!doctype html><title>Simulated</title>",
        "source": {"data_sha256": "0" * 64},
    }
    return artefact.write(folder, content, **(given | changed))
