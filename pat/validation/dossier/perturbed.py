"""Item 9.8 and on: what warmth, moisture, noise, a shifted axis, a film or a drifting lamp make of a good spectrum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from pat.errors import InputError
from pat.method import Method
from pat.scorer import Scorer
from pat.validation.dossier.item import Item, Verdict, limited
from pat.validation.gate import at_most
from pat.validation.perturbations import standard_perturbations
from pat.validation.robustness import Trial, robustness

_FIRST = 8


def perturbed(method: Method, scorer: Scorer, samples: xr.Dataset) -> Iterator[Item]:
    """Try every perturbation on the raw validation spectra.

    Parameters
    ----------
    method : Method
    scorer : Scorer
    samples : Dataset
        Raw spectra of the validation batches.
    """
    rules = method.validation
    allowed = rules.allowed_change or method.acceptance.max_rmsep
    try:
        found = robustness(
            scorer.predict,
            np.ascontiguousarray(samples["absorbance"].values, dtype=np.float64),
            np.asarray(samples[method.analyte.name].values, dtype=np.float64),
            standard_perturbations(scorer.wavelength),
            max_change=allowed,
        )
    except InputError as reason:
        yield Item(f"9.{_FIRST}", "Robustness", "Perturbed validation spectra", str(reason), Verdict.NOT_SHOWN)
        return
    for i, trial in enumerate(found.trials, start=_FIRST):
        asked = f"No accepted result moves by more than {allowed:g} {method.analyte.units}"
        title = f"Robustness: {trial.name}"
        item = Item(f"9.{i}", title, asked, _said(trial), Verdict.STATED, ("validation_data",), _values(trial))
        most = rules.max_wrong_share
        yield limited(item, None if most is None else at_most("max_wrong_share", most, trial.dangerous_share, ""))


def _said(trial: Trial) -> str:
    last = trial.steps[-1]
    source = " (synthetic spectrum)" if trial.simulated else ""
    tried = f"tried up to {last.size:g} {trial.unit}{source}, where {100 * last.refused:.0f} % are refused"
    if trial.first_failure is None:
        return f"{trial.verdict.value}; {tried}"
    worst = f"at worst {100 * trial.dangerous_share:.0f} % at {trial.most_dangerous or trial.first_failure:g}"
    return f"{trial.verdict.value} from {trial.first_failure:g}, not yet at {trial.margin:g}: {worst}; {tried}"


def _values(trial: Trial) -> dict[str, Any]:
    return {
        "perturbation": trial.name,
        "unit": trial.unit,
        "sizes": [step.size for step in trial.steps],
        "refused": [step.refused for step in trial.steps],
        "wrong_accepted": [step.wrong_accepted_share for step in trial.steps],
        "margin": trial.margin,
        "first_failure": trial.first_failure,
        "most_dangerous": trial.most_dangerous,
        "dangerous_share": trial.dangerous_share,
        "dangerous_upper": trial.dangerous_upper,
        "verdict": trial.verdict.value,
    }
