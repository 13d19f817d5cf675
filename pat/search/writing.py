"""What a method search leaves behind: its leaderboard, a plot of it, and the method that won."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import yaml

from pat.calibration.choice import components_in_words
from pat.files import readable_json, write_bytes
from pat.method import Method
from pat.plots import search_landscape, to_svg
from pat.search.results import Search
from pat.search.space import Space


def leaderboard(search: Search) -> pd.DataFrame:
    """Return the chains as a table: ``chain``, ``n_components``, ``rmsecv``, ``standard_error``, ``problem``."""
    rows = [(s.label, s.n_components, s.error, s.standard_error, s.problem) for s in search.scores]
    return pd.DataFrame(rows, columns=["chain", "n_components", "rmsecv", "standard_error", "problem"])


def chosen_method(search: Search, method: Method, space: Space, ds: xr.Dataset) -> Method:
    """Return the method that the search proposes: the next version, with the winner's chain.

    Steps of it that learn still say so: `pat.calibration.calibrate` makes them learn, for the model from all
    calibration spectra and for its RMSECV, which is the search's, from those of the other folds. Where some fold held
    fewer components than were to be tried, it tries those that all of them held.

    Parameters
    ----------
    search : Search
    method : Method
        The method that the search started from.
    space : Space
    ds : Dataset
        Raw spectra that the search was made on.
    """
    chains, _ = space.chains(method, np.asarray(ds["wavelength"].values, dtype=np.float64))
    [winner] = [chain for chain in chains if chain.key == search.winner.key]
    document = winner.method.document()
    document["calibration"]["max_components"] = len(search.winner.rmsecv)
    return Method.from_document({**document, "version": method.version + 1})


def write_search(folder: str | Path, search: Search, chosen: Method) -> list[Path]:
    """Write ``leaderboard.json``, ``leaderboard.svg`` and ``method.yaml`` into a folder; return their paths.

    The method is a proposal: it has been cross-validated, and nothing about it is validated.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figure = search_landscape(leaderboard(search), chosen.analyte.units, chosen.calibration.folds)
    files = {
        "leaderboard.json": readable_json(search.to_dict()),
        "leaderboard.svg": to_svg(figure, "search"),
        "method.yaml": _yaml(search, chosen),
    }
    for name, text in files.items():
        write_bytes(folder / name, text.encode())
    return [folder / name for name in files]


def _yaml(search: Search, chosen: Method) -> str:
    winner, nested, n_chains = search.winner, search.nested, len(search.scores)
    tried = f"{n_chains} chains" if n_chains > 1 else "1 chain"
    with_components = components_in_words(winner.n_components)
    honest = nested.in_words(chosen.analyte.units) if nested else "none"
    lines = [
        f"# Proposed by a search of {tried}: {winner.label}",
        f"# RMSECV {winner.error:.4g} {chosen.analyte.units} with {with_components}, chosen as the best",
        f"# nested estimate of the error, choosing included: {honest}",
    ]
    body = yaml.safe_dump(_without_nulls(chosen.document()), sort_keys=False, allow_unicode=True, width=110)
    return "\n".join(lines) + "\n" + body


def _without_nulls(document: object) -> object:
    if isinstance(document, dict):
        return {key: _without_nulls(value) for key, value in document.items() if value is not None}
    return [_without_nulls(item) for item in document] if isinstance(document, list) else document
