"""`antroute plans`, as it speaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.plans import app
from orchestrator.plans.base import PlanSpec
from orchestrator.plans.registry import PLANS, make_plan
from storage.errors import InvalidInput


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_plan_is_listed() -> None:
    assert {row["plan"] for row in json.loads(said("list", "--json"))} == set(PLANS)
    assert all(name in said("list") for name in PLANS)


@pytest.mark.parametrize("name", sorted(PLANS))
def test_plan_is_shown_with_its_options(name: str) -> None:
    shown = json.loads(said("show", name, "--json"))
    assert shown["summary"] in said("show", name)
    assert make_plan(PlanSpec(name=name, options=shown["options"]))


def test_unknown_plan_is_told() -> None:
    result = CliRunner().invoke(app, ["show", "vot"])
    assert isinstance(result.exception, InvalidInput) and "'vote'" in str(result.exception)


def test_fitted_options_are_those_that_the_plan_takes(tmp_path: Path) -> None:
    def rung(name: str, score: float, quality: int, cost: float) -> dict[str, object]:
        return {"candidate": name, "score": score, "quality": quality, "cost_usd": cost}

    rows = [{"rungs": [rung("a", n / 20, int(n > 9), 1e-6), rung("b", 0.9, 1, 5e-6)]} for n in range(20)]
    file = tmp_path / "rungs.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    found = json.loads(said("fit", "--data", str(file), "--budget", "4e-6", "--json"))
    assert found["quality"] == 1.0 and found["cost_usd"] <= 4e-6
    assert make_plan(PlanSpec(name="cascade", options=found["options"]))
    assert "cascade:" in said("fit", "--data", str(file), "--budget", "4e-6")
