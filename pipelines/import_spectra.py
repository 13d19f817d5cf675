"""Stage import: wide CSV files -> the raw store, checked and hashed."""

from __future__ import annotations

from pathlib import Path

from pat.readers.csv import read_csv
from pat.readers.survey import roles, saturated
from pat.spectra import write_store
from pipelines.stage import main, parser


def run() -> dict[str, str]:
    """Import the spectra."""
    options = parser(__doc__, "batches", "store")
    options.add_argument("spectra", nargs="+", type=Path)
    given = options.parse_args()
    raw = read_csv(given.spectra, given.batches, progress=True)
    # DVC makes the raw store anew only when the files that it comes from have changed.
    digest = write_store(raw, given.store, replace=True, progress="writing")
    print(f"{raw.sizes['spectrum']} spectra of {raw.sizes['batch_id']} batches, SHA-256 {digest}")
    print(
        f"{saturated(raw)} look saturated; batches by role: {', '.join(f'{r} {n}' for r, (n, _) in roles(raw).items())}"
    )
    return {"sha256": digest}


if __name__ == "__main__":
    main(run)
