"""``pat import``: spectra from files into a store."""

from __future__ import annotations

import argparse
from pathlib import Path

from pat.cli.framework import Command, Outcome, facts
from pat.files import place


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spectra", metavar="SPECTRA", nargs="+", type=Path, help="wide CSV, one row a spectrum")
    parser.add_argument("--to", metavar="STORE", required=True, type=place, help="Zarr store to write, or its URL")
    parser.add_argument("--batches", metavar="FILE", type=Path, help="CSV of what is known of each batch")


def _run(args: argparse.Namespace) -> Outcome:
    from pat.readers.csv import read_csv
    from pat.spectra import write_store

    dataset = read_csv(args.spectra, batches=args.batches)
    digest = write_store(dataset, args.to)
    document = {
        "store": args.to,
        "spectra": dataset.sizes["spectrum"],
        "wavelengths": dataset.sizes["wavelength"],
        "batches": dataset.sizes["batch_id"],
        "sha256": digest,
    }
    return Outcome(document, facts(document))


COMMANDS = (Command("import", "Read spectra from files, check them and write a store", _arguments, _run),)
