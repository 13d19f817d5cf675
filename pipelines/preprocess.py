"""Stage preprocess: the raw store -> treated spectra, chunk by chunk, by what steps learn from the calibration."""

from __future__ import annotations

from pat.method import Method
from pat.spectra import open_store, write_store
from pat.treatment import learn, treat
from pipelines.stage import main, parser


def run() -> None:
    """Treat the spectra."""
    given = parser(__doc__, "method", "raw", "treated").parse_args()
    raw = open_store(given.raw, verify=True)
    treated = treat(learn(Method.load(given.method), raw, progress="learning"), raw)
    write_store(treated, given.treated, replace=True, progress="preprocessing")
    print(f"{treated.sizes['spectrum']} spectra at {treated.sizes['wavelength']} wavelengths")


if __name__ == "__main__":
    main(run)
