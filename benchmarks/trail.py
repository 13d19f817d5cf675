"""The audit trail by the clock: how fast it is appended to and verified, and whether each kind of tampering is found.

Every entry is SIMULATED. Run ``python -m benchmarks.trail``.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from pat.audit import Report, Trail, verify
from pat.audit.anchors import sign_head
from pat.audit.entry import BEGUN, FORMAT, Entry, Said, following
from pat.files import canonical_json
from pat.trust import PrivateKey, Trust, root

_APPENDS = 1000

Lines = list[bytes]
"""A trail's lines, without their ends; entry n is line n - 1."""


def simulated_lines(n: int) -> Lines:
    """Return a trail of n simulated entries, as fast as they can be made: nothing is synced."""
    last = following(None, Said(BEGUN, "trail", "SIMULATED", FORMAT))
    lines = [last.line]
    for i in range(1, n):
        said = {"number": i, "before": "MIXING", "after": "STEADY", "numbers": {"blend_rsd_upper": 2.5 + i / n}}
        last = following(last, Said("change state", "batch", f"SIMULATED-{i // 20}", new=said, artefact="f" * 64))
        lines.append(last.line)
    return lines


def write(path: Path, lines: Lines) -> None:
    """Write the lines as a trail."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def rehashed(line: bytes, **changes: object) -> bytes:
    """Return an entry with other values and a hash that holds."""
    document = {**json.loads(line), **changes}
    del document["hash"]
    return canonical_json({**document, "hash": sha256(canonical_json(document)).hexdigest()})


def rebuilt(lines: Lines, n: int, **changes: object) -> Lines:
    """Return a trail whose entry n has other values, and in which every later entry is hashed again."""
    made = [*lines[: n - 1], rehashed(lines[n - 1], **changes)]
    for line in lines[n:]:
        made.append(rehashed(line, prev=json.loads(made[-1])["hash"]))
    return made


def _inserted(lines: Lines, n: int) -> Lines:
    before, entry = Entry.parse(lines[n - 2]), Entry.parse(lines[n - 1])
    document = replace(entry, reason="put in", prev=before.hash).to_dict()
    return [*lines[: n - 1], rehashed(canonical_json(document)), *lines[n - 1 :]]


TAMPERINGS: dict[str, Callable[[Lines, int], Lines]] = {
    "altered": lambda lines, n: [*lines[: n - 1], lines[n - 1].replace(b"STEADY", b"UNSTEADY"), *lines[n:]],
    "removed": lambda lines, n: [*lines[: n - 1], *lines[n:]],
    "reordered": lambda lines, n: [*lines[: n - 1], lines[n], lines[n - 1], *lines[n + 1 :]],
    "inserted": _inserted,
    "re-hashed": lambda lines, n: [*lines[: n - 1], rehashed(lines[n - 1], reason="another"), *lines[n:]],
    "rebuilt": lambda lines, n: rebuilt(lines, n, reason="another"),
    "truncated": lambda lines, n: lines[: n - 1],
}
"""What somebody may do to entry n of a trail, by the name that `verify` has for it."""


def recorder(folder: Path, roles: tuple[str, ...] = ("recorder",)) -> tuple[PrivateKey, Trust]:
    """Return a key that may sign heads, and the folder of trust that says so."""
    anchor, key = PrivateKey.generate(), PrivateKey.generate()
    root.init(folder, anchor, "2120-01-01T00:00:00Z")
    root.grant(
        folder,
        anchor,
        key.public,
        person="r.recorder",
        printed_name="R. Recorder (simulated)",
        roles=roles,
        valid_from="2020-01-01T00:00:00Z",
        valid_until="2120-01-01T00:00:00Z",
    )
    return key, Trust.load(folder)


def _timed(path: Path, *given: object) -> tuple[Report, float]:
    begin = time.process_time()
    report = verify(path, *given)  # type: ignore[arg-type]
    return report, time.process_time() - begin


def _append_rate(path: Path) -> float:
    """Return appended entries a second, each synced to the disk, to a trail that is there."""
    trail, begin = Trail.open(path), time.perf_counter()
    for _ in range(_APPENDS):
        trail.record("note", kind="benchmark", id="SIMULATED")
    return _APPENDS / (time.perf_counter() - begin)


def run(n: int, folder: Path) -> None:
    """Print what was measured on a trail of n simulated entries."""
    lines, path = simulated_lines(n), folder / "trail.jsonl"
    write(path, lines)
    key, trust = recorder(folder / "trust")
    heads = []
    for number in (n // 4, n):
        write(path, lines[:number])
        heads.append(sign_head(Trail.open(path), key))
    report, seconds = _timed(path, heads, trust)
    print(f"{report.entries} simulated entries, {path.stat().st_size / 1e6:.0f} MB")
    print(f"verified in {seconds:.2f} s of CPU time: holds {report.holds}, not anchored {report.not_anchored}")
    bad = n // 2
    for kind, tamper in TAMPERINGS.items():
        write(path, tamper(lines, bad))
        report, seconds = _timed(path, heads, trust)
        found = (
            "nothing" if report.problem is None else f"{report.problem.kind}, first bad entry {report.problem.entry}"
        )
        print(f"entry {bad} {kind}: found {found} ({seconds:.2f} s)")
    write(path, lines)
    print(f"{_append_rate(path):.0f} entries a second appended to it, each synced to this disk")


def main() -> None:
    """Measure."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--entries", metavar="N", type=int, default=100_000)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder  # where the lists of keys that were seen are remembered
        run(parser.parse_args().entries, Path(folder))


if __name__ == "__main__":
    main()
