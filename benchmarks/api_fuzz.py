"""Asks a real service thousands of generated questions, right and wrong ones, about every route of its OpenAPI.

    python -m benchmarks.api_fuzz --examples 40 --json fuzz.json

schemathesis makes the requests and looks at the answers with all of its checks: no 5xx, no ignored key, documented
statuses, types and headers. A request that fits the schema may still be refused with 400, 402, 413 or 422: a plan of
that name is not there, a budget is too small.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.gateway_server import KEY, gateway
from benchmarks.ports import free_port

CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 402, 403, 404, 409, 413, 422, 429]
"""
LIMIT_SECONDS = 1200
CASES = re.compile(r"^\s+(\d+) generated", re.MULTILINE)
FAULT = re.compile(r"^_{3,} (.+?) _{3,}$|^- (ST\d+ .+)$", re.MULTILINE)


def fuzzed(folder: Path, *, examples: int, seed: int) -> dict[str, Any]:
    """The whole run. `faults`: by operation, what schemathesis found wrong."""
    port = free_port()
    with gateway(settings_file(folder), port, folder / "gateway.log"):
        document, config = folder / "openapi.json", folder / "schemathesis.toml"
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/openapi.json", headers={"Authorization": f"Bearer {KEY}"}
        )
        with urllib.request.urlopen(asked) as answer:
            document.write_bytes(answer.read())
        config.write_text(CONFIG)
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "run", str(document),
            "--url", f"http://127.0.0.1:{port}", "--header", f"Authorization: Bearer {KEY}", "--checks", "all",
            "--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--seed", str(seed),
            "--continue-on-failure", "--generation-database", "none", "--no-color",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, cwd=folder, check=False)
    (folder / "schemathesis.log").write_text(done.stdout + done.stderr)
    cases = CASES.search(done.stdout)
    operation, faults = "", []
    for found in FAULT.finditer(done.stdout):
        operation = found.group(1) or operation
        if found.group(2):
            faults.append(f"{operation}: {found.group(2)}")
    if cases is None or done.returncode not in (0, 1):
        raise SystemExit(f"schemathesis did not run:\n{(done.stdout + done.stderr)[-3000:]}")
    return {
        "benchmark": "api_fuzz",
        "seed": seed,
        "examples": examples,
        "cases": int(cases.group(1)),
        "operations": sum(len(methods) for methods in json.loads(document.read_text())["paths"].values()),
        "is_whole": done.returncode == 0,
        "faults": faults,
    }


def settings_file(folder: Path) -> Path:
    """Models that are functions: what is asked here is the service, not they."""
    names = ("small", "large")
    settings = {
        "store_url": f"sqlite:///{folder / 'fuzz.db'}",
        "encoder": "hashing",
        "models": {name: {"provider": "scripted", "price_output_usd_per_mtok": "1"} for name in names},
        "candidates": [{"id": name, "agent": "single_turn", "model": name} for name in names],
        "skills": {"index": str(folder / "skills")},
        "server": {"admin_key": KEY, "secret_file": str(folder / "secret")},
    }
    path = folder / "antroute.yaml"
    path.write_text(json.dumps(settings))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--examples", type=int, default=40, help="Generated cases of each operation, beside the planned ones."
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="Also write the result here.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        result = fuzzed(Path(folder), examples=given.examples, seed=given.seed)
    text = json.dumps(result, indent=2)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")
    sys.exit(not result["is_whole"])


if __name__ == "__main__":
    main()
