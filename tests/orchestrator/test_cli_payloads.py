"""`antroute payloads erase`, as it speaks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from orchestrator.cli.payloads import app
from orchestrator.reading import trace_of
from storage.errors import InvalidInput
from storage.registry import open_stores
from tests.orchestrator.stored_runs import StoredRuns, stored_runs

__all__ = ["stored_runs"]


def result_of(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=typed)


def said(*arguments: str, typed: str = "", code: int = 0) -> str:
    result = result_of(*arguments, typed=typed)
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout


def query_of(stored: StoredRuns, run_id: str) -> str | None:
    async def read() -> str | None:
        stores = await open_stores(stored.url)
        try:
            return (await trace_of(stores, run_id)).query_text
        finally:
            await stores.close()

    return asyncio.run(read())


def test_it_says_how_many_asks_and_erases(stored_runs: StoredRuns) -> None:
    first, second = stored_runs.run_ids[:2]
    assert said("erase", "--run", first, "--dry-run") == "2 texts of 1 decision would be erased.\n"
    assert query_of(stored_runs, first) is not None
    refused = result_of("erase", "--run", first, typed="n\n")
    assert (refused.exit_code, refused.stdout.strip().splitlines()[-1]) == (1, "Nothing was erased.")
    assert "Erase 2 texts of 1 decision? They cannot be had back." in refused.output
    assert "2 texts of 1 decision erased." in said("erase", "--run", first, typed="y\n")
    assert query_of(stored_runs, first) is None
    assert query_of(stored_runs, second) is not None
    assert "erased already" in said("erase", "--run", first, "--yes")


def test_by_age_and_as_json(stored_runs: StoredRuns) -> None:
    none: dict[str, Any] = json.loads(said("erase", "--before", "90d", "--yes", "--json"))
    assert none == {"erased": True, "texts": 0, "decisions": 0, "jobs": 0, "unfinished_jobs": []}
    every = json.loads(said("erase", "--before", "0s", "--yes", "--json"))
    assert every["decisions"] == len(stored_runs.decision_ids)
    assert query_of(stored_runs, stored_runs.run_ids[-1]) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "not said whose texts"),
        (("--before", "soon"), "is no time"),
        (("--tenant", "a", "--json"), "--yes or --dry-run"),
    ],
)
def test_what_cannot_be_is_refused(stored_runs: StoredRuns, arguments: tuple[str, ...], words: str) -> None:
    error = result_of("erase", *arguments).exception
    assert isinstance(error, InvalidInput)
    assert words in str(error)


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    error = result_of("erase", "--tenant", "a", "--yes", "--store", f"sqlite:///{tmp_path / 'no.db'}").exception
    assert isinstance(error, InvalidInput)
    assert not (tmp_path / "no.db").exists()
