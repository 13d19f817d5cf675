"""Stage preprocess: the raw store -> treated spectra, chunk by chunk."""

from __future__ import annotations

from pat.method import Method
from pat.spectra import open_store, write_store
from pat.treatment import treat
from pipelines.stage import main, parser


def run() -> None:
    """Treat the spectra."""
    given = parser(__doc__, "method", "raw", "treated").parse_args()
    treated = treat(Method.load(given.method), open_store(given.raw, verify=True))
    write_store(treated, given.treated, replace=True, progress="preprocessing")
    print(f"{treated.sizes['spectrum']} spectra at {treated.sizes['wavelength']} wavelengths")


if __name__ == "__main__":
    main(run)
