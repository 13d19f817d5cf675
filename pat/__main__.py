"""``python -m pat`` is the command ``pat``."""

from __future__ import annotations

import sys

from pat.cli import main

if __name__ == "__main__":
    sys.exit(main())
