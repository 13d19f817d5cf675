"""``pat import``: spectra from files into a store."""

from __future__ import annotations

import argparse
from pathlib import Path

from pat.cli.framework import Command, Outcome, facts, table
from pat.files import place


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spectra", metavar="SPECTRA", nargs="+", type=Path, help="wide CSV, one row a spectrum")
    parser.add_argument("--to", metavar="STORE", required=True, type=place, help="Zarr store to write, or its URL")
    parser.add_argument("--batches", metavar="FILE", type=Path, help="CSV of what is known of each batch")


def _run(args: argparse.Namespace) -> Outcome:
    from pat.readers.csv import read_csv
    from pat.readers.survey import roles, saturated
    from pat.spectra import write_store

    dataset = read_csv(args.spectra, batches=args.batches, progress=True)
    digest = write_store(dataset, args.to, progress=f"writing {args.to}")
    document = {
        "store": args.to,
        "spectra": dataset.sizes["spectrum"],
        "wavelengths": dataset.sizes["wavelength"],
        "batches": dataset.sizes["batch_id"],
        "saturated": saturated(dataset),
        "sha256": digest,
    }
    counted = {role: {"batches": n, "spectra": m} for role, (n, m) in roles(dataset).items()}
    return Outcome(document | {"roles": counted}, f"{facts(document)}\n\n{_by_role(counted)}")


def _by_role(counted: dict[str, dict[str, int]]) -> str:
    if not counted:
        return "The batches have no roles: give --batches FILE with a column `role` to say what each is for."
    return table(["role", "batches", "spectra"], [[role, *count.values()] for role, count in counted.items()])


COMMANDS = (Command("import", "Read spectra from files, check them and write a store", _arguments, _run, records=True),)
