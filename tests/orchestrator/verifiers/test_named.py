"""Verifiers by name: the settings' for all, and of a caller's own only what can do no harm."""

from __future__ import annotations

import pytest

from orchestrator.settings import Settings
from orchestrator.verifiers.base import VerifierSpec
from orchestrator.verifiers.model import JudgeReply
from orchestrator.verifiers.named import DECLARATIVE, Asks, NamedVerifiers
from orchestrator.verifiers.registry import VERIFIERS, make_verifier
from orchestrator.verifiers.settings import VerifierSettings
from storage.errors import InvalidInput
from storage.records import Query

QUERY = Query(text="?")
NAMED = NamedVerifiers(
    {
        "lint": VerifierSpec(kind="exit_code", options={"command": ["true"]}),
        "jury": VerifierSpec(kind="model", options={"candidate": "large"}),
    }
)


async def test_caller_may_name_what_the_settings_name() -> None:
    verdict = await (await NAMED.of_caller("lint")).verify(QUERY, "x")
    assert verdict is not None
    assert (verdict.verifier, verdict.passed) == ("lint", True)
    with pytest.raises(InvalidInput, match="lint"):
        await NAMED.of_caller("lint2")


async def test_caller_may_bring_a_comparison() -> None:
    verifier = await NAMED.of_caller({"kind": "numeric", "expected": 391})
    verdict = await verifier.verify(QUERY, "391")
    assert verdict is not None
    assert (verdict.verifier, verdict.passed) == ("numeric", True)


@pytest.mark.parametrize("kind", [*sorted({*VERIFIERS} - DECLARATIVE), "shell", "", None, 7, ["numeric"]])
async def test_caller_may_bring_nothing_that_runs_or_asks(kind: object) -> None:
    given = {"kind": kind, "command": ["true"], "tests": "assert 1"}
    with pytest.raises(InvalidInput, match="cannot be asked for here") as raised:
        await NAMED.of_caller(given)
    assert raised.value.field == "verifier"


async def test_caller_cannot_speak_in_another_verifiers_name() -> None:
    with pytest.raises(InvalidInput, match="leave `name` out"):
        await NAMED.of_caller({"kind": "numeric", "expected": 1, "name": "lint"})


async def test_judge_is_asked_the_way_this_run_can() -> None:
    asked: list[str | None] = []

    async def ask(prompt: str, candidate: str | None) -> JudgeReply:
        asked.append(candidate)
        return JudgeReply(text=prompt.splitlines()[-1], candidate_id="large")

    verdict = await NAMED.get("jury", Asks(judge=ask)).verify(QUERY, "x")
    assert verdict is not None
    assert (verdict.verifier, verdict.passed, asked) == ("jury", False, ["large"])
    with pytest.raises(InvalidInput, match="way to ask"):
        NAMED.get("jury")


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("a", "exitcode", {"command": ["true"]}),
        ("a", "exit_code", {}),
        ("a", "model", {"rubrik": "x"}),
        ("a", "person", {"seconds": -1}),
        ("a", "tests", {"tests": "x ="}),
        ("a", "numeric", {"expected": 1, "name": "b"}),
        ("tests", "numeric", {"expected": 1}),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_by_name(name: str, kind: str, options: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=f"Verifier '{name}'") as raised:
        NamedVerifiers({name: VerifierSpec(kind=kind, options=options)})
    assert raised.value.field == "verifiers"


def test_settings_write_kind_and_options_side_by_side() -> None:
    settings = Settings(verifiers={"lint": {"kind": "exit_code", "command": ["/usr/bin/lint"]}})  # type: ignore[dict-item]  # as the file has it
    assert settings.verifiers["lint"].spec == VerifierSpec(kind="exit_code", options={"command": ["/usr/bin/lint"]})
    assert VerifierSettings(kind="person").spec.options == {}


@pytest.mark.parametrize("kind", VERIFIERS)
def test_every_kind_refuses_an_option_that_it_does_not_know(kind: str) -> None:
    with pytest.raises(InvalidInput, match=f"Verifier '{kind}' does not take these options"):
        make_verifier(VerifierSpec(kind=kind, options={"colour": "red"}))
