"""All sets × stages × kinds of queries in one command, baselines in the same run: `python benchmarks/skills.py --help`.

The work is in `benchmarks/skills_runs.py`. This file bears the name of a package, and a script's folder comes first
on Python's path: so it takes the folder off, and hands the name over to scripts beside it that ask for the package.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).resolve().parent

if __name__ in ("__main__", "skills"):
    sys.path[:] = [str(FOLDER.parent), *(entry for entry in sys.path if Path(entry or ".").resolve() != FOLDER)]
if __name__ == "skills":
    del sys.modules[__name__]
    import_module(__name__)
if __name__ == "__main__":
    sys.exit(import_module("benchmarks.skills_runs").main())
