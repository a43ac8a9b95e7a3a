"""Budget accounts, as the command line and HTTP show them, and budgets that travel over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from orchestrator.cli.budgets import app
from orchestrator.client import Client
from orchestrator.errors import BudgetAsk
from orchestrator.rest.app import make_app
from storage.budget_records import Amount, BudgetAccount, BudgetLimits
from storage.errors import BudgetExceeded, InvalidInput, RecordNotFound
from storage.records import Generation, usd
from storage.registry import open_stores
from tests.conftest import MakeService
from tests.orchestrator.rest_app import MakeHttp, chat

LONG = Generation(max_output_tokens=1000)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("ANTROUTE_STORE_URL", url)
    return url


def invoked(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def said(*arguments: str) -> str:
    done = invoked(*arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def told(*arguments: str) -> Any:
    return json.loads(said(*arguments, "--json"))


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_limits_that_are_set_are_shown_with_what_was_spent_and_held(url: str) -> None:
    said("set", "tenant", "--usd", "5", "--tokens", "100000")
    said("set", "key", "--parent", "tenant", "--seconds", "90")

    async def work() -> None:
        stores = await open_stores(url)
        hold = await stores.budgets.hold("key", Amount(usd=usd(1), tokens=800, joules=4.5), expires_in_seconds=60)
        await stores.budgets.settle(hold.id, Amount(usd=usd("0.25"), tokens=700, joules=2.5))
        await stores.budgets.hold("key", Amount(usd=usd("0.5"), tokens=100), expires_in_seconds=60)
        await stores.budgets.open(BudgetAccount(id="run_1", parent_id="key"))
        await stores.close()

    asyncio.run(work())
    assert words(said("list"))[1:] == [
        ["key", "tenant", "usd", "-", "$0.25", "$0.50", "-"],
        ["key", "tenant", "tokens", "-", "700", "tokens", "100", "tokens", "-"],
        ["key", "tenant", "seconds", "90", "s", "0", "s", "0", "s", "90", "s"],
        ["key", "tenant", "joules", "-", "2.5", "J", "0", "J", "-"],
        ["tenant", "-", "usd", "$5.00", "$0.25", "$0.50", "$4.25"],
        ["tenant", "-", "tokens", "100000", "tokens", "700", "tokens", "100", "tokens", "99200", "tokens"],
        ["tenant", "-", "joules", "-", "2.5", "J", "0", "J", "-"],
    ]
    assert [each["id"] for each in told("list", "--runs")] == ["key", "run_1", "tenant"]
    key = told("show", "key")
    assert key["remaining"] == {"usd": None, "tokens": None, "seconds": 90.0, "joules": None}
    assert [(each["id"], each["remaining"]["tokens"]) for each in key["parents"]] == [("tenant", 99200)]


def test_what_is_not_named_stays_and_none_takes_a_limit_away(url: str) -> None:
    said("set", "team", "--usd", "5", "--tokens", "10")
    said("set", "team", "--tokens", "none", "--joules", "7.5")
    assert told("show", "team")["limits"] == {"usd": "5.000000000", "tokens": None, "seconds": None, "joules": 7.5}


@pytest.mark.parametrize(
    ("arguments", "error", "said_"),
    [
        (("set", "a", "--tokens", "many"), InvalidInput, "budget.tokens is 'many'; it must be a number"),
        (("set", "a", "--tokens", "1.5"), InvalidInput, "budget.tokens is 1.5; it must be a whole number"),
        (("set", "a", "--usd", "-1"), InvalidInput, "cannot be negative"),
        (("set", "a", "--parent", "nobody"), RecordNotFound, "No budget account 'nobody'"),
        (("set", "run_1", "--usd", "1"), InvalidInput, "does not begin with 'run_'"),
        (("show", "nobody"), RecordNotFound, "No budget account 'nobody'"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], error: type[Exception], said_: str, url: str) -> None:
    said("set", "team", "--usd", "5")
    done = invoked(*arguments)
    assert isinstance(done.exception, error)
    assert said_ in str(done.exception)


def test_without_accounts_it_says_how_to_open_one(url: str) -> None:
    asyncio.run(opened_and_closed(url))
    assert "antroute budgets set team --usd 5" in said("list")


async def opened_and_closed(url: str) -> None:
    await (await open_stores(url)).close()


async def test_accounts_are_told_over_http(make_service: MakeService, make_http: MakeHttp) -> None:
    service = await make_service(budget={"account_limit_tokens": 5000})
    await service.stores.budgets.open(BudgetAccount(id="key", parent_id="default", limit_usd=usd(1)))
    await service.stores.budgets.open(BudgetAccount(id="run_x", parent_id="key"))
    http = await make_http(service=service)
    listed = (await http.get("/v1/budgets")).json()["accounts"]
    assert [each["id"] for each in listed] == ["default", "key"]
    assert len((await http.get("/v1/budgets", params={"runs": True})).json()["accounts"]) == 3
    run = (await http.get("/v1/budgets/run_x")).json()
    assert [each["id"] for each in run["parents"]] == ["key", "default"]
    assert run["parents"][1]["limits"]["tokens"] == 5000
    missing = await http.get("/v1/budgets/nobody")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


async def test_budgets_of_all_resources_are_taken_over_http(make_http: MakeHttp) -> None:
    http = await make_http()
    body = chat(antroute={"budget": {"tokens": 100}}, max_tokens=500)
    short = await http.post("/v1/chat/completions", json=body)
    assert short.status_code == 402
    assert short.json()["error"]["code"] == "budget_exceeded"
    body["antroute"] = {"budget": {"tokens": 100}, "on_exhausted": "ask"}
    asked = (await http.post("/v1/chat/completions", json=body)).json()["error"]
    assert asked["code"] == "budget_ask"
    assert asked["shortfall"]["missing"]["tokens"] == asked["shortfall"]["needed"]["tokens"] - 100
    body["antroute"] = {"budget": {"tokens": 200}, "on_exhausted": "degrade"}
    degraded = (await http.post("/v1/chat/completions", json=body)).json()
    assert degraded["antroute"]["is_degraded"] is True
    assert degraded["antroute"]["spent"]["tokens"] == degraded["usage"]["total_tokens"]
    body["antroute"] = {"budget": {"token": 200}}
    assert (await http.post("/v1/chat/completions", json=body)).status_code == 400


async def test_client_hears_what_is_missing_and_sends_budgets(make_service: MakeService) -> None:
    service = await make_service(policy="cheapest")
    async with Client("http://localhost", transport=httpx.ASGITransport(app=make_app(service))) as client:
        with pytest.raises(BudgetAsk) as raised:
            await client.run("one", generation=LONG, budget={"tokens": 300}, on_exhausted="ask")
        with pytest.raises(BudgetAsk) as ours:
            await service.run("one", generation=LONG, budget={"tokens": 300}, on_exhausted="ask")
        sent, known = raised.value.shortfall, ours.value.shortfall
        assert sent is not None
        assert known is not None
        assert (sent.candidate_id, sent.needed, sent.missing) == (known.candidate_id, known.needed, known.missing)
        assert sent.remaining == BudgetLimits(usd=usd("0.1"), tokens=300)
        run = await client.run("one", generation=LONG, budget=BudgetLimits(tokens=300), on_exhausted="degrade")
        assert run.is_degraded
        with pytest.raises(BudgetExceeded):
            await client.run("one", generation=LONG, budget_usd=0.000001)
        with pytest.raises(InvalidInput, match="Only the embedded orchestrator takes more_budget"):
            await client.run("one", more_budget=nothing_more)


async def nothing_more(shortfall: object) -> None:
    return None
