"""The clock of the trail: UTC to the millisecond, beside a clock that nobody can set."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pat.trust import times

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Leap seconds and the rounding of two clocks are no jump.
_TOLERANCE = 2.0


def now() -> str:
    """Return the time (UTC) as ISO 8601 text: ``2026-03-01T12:00:00.000Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def running() -> dict[str, Any]:
    """Return which start of this machine it is, and the seconds since then, which nobody can set.

    Returns
    -------
    dict
        ``boot`` is None where the system does not name its starts; then the seconds compare with nothing.
    """
    try:
        return {"boot": _BOOT_ID.read_text().strip(), "uptime": round(time.clock_gettime(time.CLOCK_BOOTTIME), 3)}
    except (OSError, AttributeError):
        return {"boot": None, "uptime": round(time.monotonic(), 3)}


def note(before: str, ran: dict[str, Any], after: str, runs: dict[str, Any]) -> str:
    """Say what the clock did between two entries that time alone does not; empty where nothing.

    Parameters
    ----------
    before, after : str
        What `now` gave for the two.
    ran, runs : dict
        What `running` gave for the two. Within one start of one machine a clock that was set forward is found too.
    """
    passed = (times.parse(after) - times.parse(before)).total_seconds()
    if ran["boot"] is not None and ran["boot"] == runs["boot"]:
        jump = passed - (runs["uptime"] - ran["uptime"])
        if abs(jump) > _TOLERANCE:
            return f"the clock jumped by {jump:+.1f} s since the entry before"
    return f"the clock reads {-passed:.3f} s less than at the entry before" if passed < 0 else ""
