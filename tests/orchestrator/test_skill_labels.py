"""Weak labels: a called skill that ended well is gold, one that ended badly a negative, a shown one teaches nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.errors import ModelUnavailable
from agents.llm import CompletionRequest
from orchestrator.skill_labels import called_skills, weak_labels, write_labels
from storage.errors import InvalidInput
from storage.records import utc_now
from tests.conftest import fails
from tests.orchestrator.skill_doubles import FINDING_CANDIDATES, MakeSkillService, make_skill_service, text_skill

__all__ = ["make_skill_service"]

SKILLS = [text_skill("letters", body="Dear Sir"), text_skill("poems", body="Roses are red")]


def reads_all(request: CompletionRequest) -> str:
    read = sum(message.content.startswith("RESULT <<<\nText") for message in request.messages)
    return f"CALL {['letters', 'poems'][read]}" if read < 2 else "ANSWER done"


async def test_what_was_called_is_gold_or_negative_by_how_it_ended(make_skill_service: MakeSkillService) -> None:
    service = await make_skill_service(*SKILLS, reward={"cost_weight": 0})
    for text, quality in (("good one", 1.0), ("bad one", 0.25), ("middling", 0.5), ("unjudged", None)):
        run = await service.run(text)
        if quality is not None:
            await service.feedback(run.decision_id, quality=quality)
    good, bad = await weak_labels(service.stores)
    assert (good.text, good.gold, good.negatives, good.weight) == ("good one", (("pool/letters",),), (), 0.5)
    assert (bad.text, bad.gold, bad.negatives, bad.weight) == ("bad one", (), ("pool/letters",), 0.25)
    assert good.kind == "outcome"


async def test_several_called_skills_are_all_needed(make_skill_service: MakeSkillService) -> None:
    service = await make_skill_service(*SKILLS, small=reads_all, reward={"cost_weight": 0})
    run = await service.run("both")
    await service.feedback(run.decision_id, quality=1.0)
    [label] = await weak_labels(service.stores)
    assert label.gold == (("pool/letters",), ("pool/poems",))


async def test_shown_and_never_called_teaches_nothing(make_skill_service: MakeSkillService) -> None:
    service = await make_skill_service(*SKILLS, small=lambda request: "ANSWER at once")
    run = await service.run("easy")
    await service.feedback(run.decision_id, quality=1.0)
    assert await weak_labels(service.stores) == []


async def test_calls_are_told_apart_by_decision(make_skill_service: MakeSkillService) -> None:
    candidates = [*FINDING_CANDIDATES, {"id": "second", "agent": "tool_loop", "model": "large", "found_skills": 2}]
    service = await make_skill_service(*SKILLS, small=fails, candidates=candidates)
    runs = [await service.run("again") for _ in range(8)]
    run = next(run for run in runs if run.attempts == 2)
    first, second = (await service.trace(run.run_id)).attempts
    assert await called_skills(service.stores, first) == ()
    assert await called_skills(service.stores, second) == ("pool/letters",)


async def test_a_model_that_failed_after_reading_says_nothing_of_the_skill(
    make_skill_service: MakeSkillService,
) -> None:
    candidates = [{"id": "reader", "agent": "skilled", "model": "small", "found_skills": 2}]
    service = await make_skill_service(*SKILLS, small=fails, candidates=candidates)
    with pytest.raises(ModelUnavailable) as raised:
        await service.run("read, then nobody answers")
    attempt = await service.attempt(str(raised.value.decision_id))
    assert await called_skills(service.stores, attempt) == ("pool/letters", "pool/poems")
    assert attempt.rewards
    assert await weak_labels(service.stores) == []


async def test_since_and_erased_texts_are_heeded(make_skill_service: MakeSkillService) -> None:
    service = await make_skill_service(*SKILLS)
    run = await service.run("secret")
    await service.feedback(run.decision_id, quality=1.0)
    assert await weak_labels(service.stores, utc_now() + timedelta(minutes=1)) == []
    assert len(await weak_labels(service.stores, datetime(2020, 1, 1, tzinfo=UTC))) == 1
    decision = (await service.attempt(run.decision_id)).decision
    await service.stores.payloads.erase(decision.payload_id)
    assert await weak_labels(service.stores) == []


async def test_the_file_is_what_a_training_reads_and_none_is_written_for_nothing(
    make_skill_service: MakeSkillService, tmp_path: Path
) -> None:
    service = await make_skill_service(*SKILLS, reward={"cost_weight": 0})
    file = tmp_path / "labels.jsonl"
    with pytest.raises(InvalidInput, match="No judged decision called a skill"):
        await write_labels(service.stores, file)
    assert not file.exists()
    run = await service.run("Schreibe für Zoë")
    await service.feedback(run.decision_id, quality=1.0)
    assert await write_labels(service.stores, file) == 1
    [line] = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert line == {
        "query_id": (await service.attempt(run.decision_id)).decision.query_id, "text": "Schreibe für Zoë",
        "gold": [["pool/letters"]], "negatives": [], "kind": "outcome", "weight": 0.5,
    }  # fmt: skip
    with pytest.raises(InvalidInput, match="cannot be written"):
        await write_labels(service.stores, tmp_path / "no" / "folder.jsonl")
