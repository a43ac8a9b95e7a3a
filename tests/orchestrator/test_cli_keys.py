"""`antroute keys` and `antroute tenants`, as they speak, on a store of SQLite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from orchestrator.cli.keys import app, tenants
from storage.errors import InvalidInput, RecordNotFound


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTROUTE_STORE_URL", f"sqlite:///{tmp_path / 'a.db'}")
    monkeypatch.setenv("ANTROUTE_SERVER__SECRET_FILE", str(tmp_path / "secret"))


def done(*arguments: str, of: typer.Typer = app) -> Result:
    return CliRunner().invoke(of, list(arguments))


def told(*arguments: str, of: typer.Typer = app) -> Any:
    result = done(*arguments, "--json", of=of)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_text_alone_goes_to_stdout_once() -> None:
    result = done("create", "bot")
    assert result.stdout.startswith("ak_")
    assert len(result.stdout.strip()) == 46
    assert "is not stored" in result.stderr
    for shown in (done("list").output, json.dumps(told("list"))):
        assert "bot" in shown
        assert result.stdout.strip() not in shown
        assert "digest" not in shown


def test_rotated_key_is_listed_beside_its_successor() -> None:
    told("create", "sales", "--usd", "5", of=tenants)
    key = told("create", "bot", "--tenant", "sales", "--role", "reader", "--parallel", "2")
    assert (key["role"], key["rates"]["parallel_requests"]) == ("reader", 2)
    assert told("rotate", key["id"], "--grace-hours", "1")["replaces"] == key["id"]
    assert [each["state"] for each in told("list", "--tenant", "sales")] == ["rotated", "good"]
    assert told("list", "--tenant", "other") == []


def test_revoked_key_is_listed_as_such() -> None:
    key = told("create", "bot", "--days", "3")
    assert told("revoke", key["id"])["state"] == "revoked"
    assert "lets nobody in any more" in done("revoke", key["id"]).stdout
    assert [each["state"] for each in told("list")] == ["revoked"]


def test_tenants_are_listed_with_their_accounts() -> None:
    assert "antroute keys create NAME --tenant sales" in done("create", "sales", of=tenants).stdout
    assert [(each["name"], each["account_id"]) for each in told("list", of=tenants)] == [("sales", "tenant_sales")]
    assert "tenant_sales" in done("list", of=tenants).stdout


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("create", "x", "--role", "king"), InvalidInput, "No role 'king'; known: admin, operator, writer, reader."),
        (("create", "x", "--tenant", "nobody"), RecordNotFound, "No tenant 'nobody'."),
        (("create", ""), InvalidInput, "cannot be a key's name"),
    ],
    ids=["role", "tenant", "name"],
)
def test_odd_wish_is_told(arguments: tuple[str, ...], error: type[Exception], words: str) -> None:
    result = done(*arguments)
    assert isinstance(result.exception, error)
    assert words in str(result.exception)


def test_whoever_only_looks_makes_no_database(tmp_path: Path) -> None:
    assert isinstance(done("list").exception, InvalidInput)
    assert not (tmp_path / "a.db").exists()
