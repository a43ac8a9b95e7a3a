"""Milliseconds, memory and minutes of the search for skills: `python benchmarks/skills_latency.py --help`.

The work is in `benchmarks/skills_costs.py`. Beside this file is one with the name of a package: see `skills.py`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).resolve().parent

if __name__ == "__main__":
    sys.path[:] = [str(FOLDER.parent), *(entry for entry in sys.path if Path(entry or ".").resolve() != FOLDER)]
    sys.exit(import_module("benchmarks.skills_costs").main())
