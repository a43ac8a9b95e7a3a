"""Skills found for a query: searched once, stored in the decision, shown to the agent, and never a failed request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from agents.llm import CompletionRequest
from orchestrator.errors import SettingsInvalid
from orchestrator.shown_skills import callable_name
from skills.base import Skill, content_sha256
from skills.errors import IndexRefused
from skills.libraries.builtin import BuiltinLibrary
from storage.records import Decision
from storage.skill_records import Finding, SkillSelection
from storage.stores import DecisionFilter
from tests.conftest import fails
from tests.orchestrator.skill_doubles import (
    FINDING_CANDIDATES,
    DoubleIndex,
    ListedSearcher,
    MakeSkillService,
    catalogued,
    make_skill_service,
    text_skill,
)

__all__ = ["make_skill_service"]

QUESTION = "Write the letter."
LETTER = text_skill("write letters", body="Be brief.\nDear Sir")
POEM = text_skill("poem", body="Rhyme.")
OTHER = text_skill("other")


def selection_of(decision: Decision) -> SkillSelection:
    assert decision.skills is not None
    return decision.skills


async def test_found_skills_are_read_by_the_agent_and_stand_in_the_decision(
    make_skill_service: MakeSkillService,
) -> None:
    service = await make_skill_service(LETTER, POEM, OTHER)
    run = await service.run(QUESTION)
    assert run.answer == "Dear Sir"
    trace = await service.trace(run.run_id)
    selection = selection_of(trace.attempts[0].decision)
    assert [(s.name, s.rank, s.is_shown, s.version) for s in selection.considered] == [
        ("write letters", 1, True, 1), ("poem", 2, True, 1), ("other", 3, False, 1),
    ]  # fmt: skip
    first = selection.considered[0]
    assert (first.retrieval, first.rerank, first.sha256) == (1 / 61, 2.0, content_sha256(LETTER))
    assert (selection.index_sha256, selection.ranker_sha256, selection.encoder) == ("1" * 64, "2" * 64, "double")
    assert selection.fit_probability == 0.9
    assert selection.seconds > 0
    spans = {span.name: span.attributes for span in trace.spans}
    assert spans["skills"]["skills.1"] == "pool/write letters retrieval 0.01639 rerank 2"
    assert spans["execute_tool"] == {"gen_ai.tool.name": "write_letters", "skill.id": "pool/write letters"}


async def test_the_selection_is_stored_before_anything_runs(make_skill_service: MakeSkillService) -> None:
    seen: list[SkillSelection] = []

    service = await make_skill_service(LETTER)
    llm = service.nodes.llms["small"]
    complete = llm.complete

    async def looking(request: CompletionRequest) -> object:
        found = await service.stores.decisions.find(DecisionFilter())
        seen.append(selection_of(found[0].decision))
        return await complete(request)

    llm.complete = looking  # type: ignore[method-assign, assignment]  # looks before it is asked
    await service.run(QUESTION)
    assert [skill.is_shown for skill in seen[0].considered] == [True]


async def test_another_candidate_takes_over_with_the_same_selection_and_no_second_search(
    make_skill_service: MakeSkillService,
) -> None:
    candidates = [*FINDING_CANDIDATES, {"id": "second", "agent": "tool_loop", "model": "large", "found_skills": 1}]
    index = DoubleIndex(searcher=(searcher := ListedSearcher(offered=[LETTER, POEM, OTHER])))
    service = await make_skill_service(index=index, small=fails, candidates=candidates)
    runs = [await service.run(QUESTION) for _ in range(8)]
    run = next(run for run in runs if run.attempts == 2)
    assert len(searcher.texts) == len(runs)
    first, second = [selection_of(a.decision) for a in (await service.trace(run.run_id)).attempts]
    assert [skill.is_shown for skill in first.considered] == [True, True, False]
    assert [skill.is_shown for skill in second.considered] == [True, False, False]
    assert first.seconds == second.seconds


async def test_money_is_held_for_the_longest_text_that_may_be_read(make_skill_service: MakeSkillService) -> None:
    short, long = await make_skill_service(LETTER), await make_skill_service(replace(LETTER, body="word " * 800))
    decisions = [await service.route(QUESTION) for service in (short, long)]
    small, large = (decision.budget_reserved_usd for decision in decisions)
    price = Decimal(1) / 1_000_000  # a token of input
    assert large - small >= 2 * 3000 * price
    run = await long.run(QUESTION)
    assert run.cost_usd <= large


async def test_a_body_is_cut_to_what_the_context_window_holds(make_skill_service: MakeSkillService) -> None:
    models = {
        "small": {"provider": "scripted", "context_window": 6000},
        "large": {"provider": "scripted", "context_window": 100_000},
    }
    long = replace(LETTER, body="word " * 2000)
    service = await make_skill_service(long, models=models)
    assert (await service.run(QUESTION)).answer.endswith("… (cut)")
    shown = service.nodes.llms["small"].requests[-1].messages[-1].content  # type: ignore[attr-defined]
    assert 1200 < len(shown) < 2000
    assert "</skill " in shown


@pytest.mark.parametrize("error", [IndexRefused("There is no index."), RuntimeError("The index broke.")])
async def test_a_search_that_fails_is_told_and_fails_no_request(
    error: Exception, make_skill_service: MakeSkillService
) -> None:
    index = DoubleIndex(searcher=ListedSearcher(offered=[LETTER]))
    service = await make_skill_service(index=index)
    index.error = error
    run = await service.run(QUESTION)
    assert run.answer == "nothing to read"
    trace = await service.trace(run.run_id)
    selection = selection_of(trace.attempts[0].decision)
    assert selection.considered == ()
    assert selection.reason == f"skills could not be searched for: {error}"
    assert next(s for s in trace.spans if s.name == "skills").attributes["skills.reason"] == selection.reason
    assert any(str(error) in notice for notice in service.notices)
    index.error = None
    assert (await service.run(QUESTION)).answer == "Dear Sir"
    assert not any(str(error) in notice for notice in service.notices)


async def test_none_is_shown_where_none_is_likely_to_fit(make_skill_service: MakeSkillService) -> None:
    index = DoubleIndex(searcher=ListedSearcher(offered=[LETTER], fit_probability=0.2))
    service = await make_skill_service(index=index, skills_settings={"least_fit": 0.5})
    decision = await service.route(QUESTION)
    selection = selection_of(decision)
    assert selection.is_abstained
    assert selection.shown == ()
    assert [skill.name for skill in selection.considered] == ["write letters"]
    assert selection.reason == "none is likely to fit: probability 0.20, and at least 0.50 is asked for"


async def test_where_nobody_wants_skills_none_are_searched_for(make_skill_service: MakeSkillService) -> None:
    plain = {"id": "plain", "agent": "single_turn", "model": "large"}
    index = DoubleIndex(searcher=(searcher := ListedSearcher(offered=[LETTER])))
    service = await make_skill_service(index=index, candidates=[*FINDING_CANDIDATES, plain])
    assert (await service.route(QUESTION, candidate="plain")).skills is None
    assert searcher.texts == []
    assert (await service.route(QUESTION, candidate="finder")).skills is not None
    assert searcher.texts == [QUESTION]
    assert service.nodes.tracer.query_id_to_spans == {}


async def test_quarantined_removed_and_rewritten_skills_are_considered_and_not_shown(
    make_skill_service: MakeSkillService,
) -> None:
    service = await make_skill_service(LETTER, POEM, OTHER, text_skill("fourth"))
    bad = Finding(rule="override_instructions", where="body", excerpt="ignore", severity="quarantine")
    await catalogued(service, LETTER, findings=[bad])
    await catalogued(service, POEM, replace(OTHER, body="Rewritten since."))
    await service.stores.skills.move([POEM.skill_id], "removed", reason="old", by="test")
    selection = selection_of(await service.route(QUESTION))
    assert [skill.name for skill in selection.shown] == ["fourth"]
    assert len(selection.considered) == 4


async def test_versions_of_the_catalogue_stand_in_the_decision(make_skill_service: MakeSkillService) -> None:
    service = await make_skill_service(LETTER)
    await catalogued(service, replace(LETTER, body="The first text."))
    await catalogued(service, LETTER)
    assert selection_of(await service.route(QUESTION)).considered[0].version == 2


async def test_names_are_unique_and_can_be_written_after_call(make_skill_service: MakeSkillService) -> None:
    twins = [text_skill("write letters", id=f"twin{number}", body=f"Text {number}.") for number in (1, 2)]
    tool = {"id": "finder", "agent": "tool_loop", "model": "small", "found_skills": 2, "skills": ["calculator"]}
    service = await make_skill_service(*twins, candidates=[tool])
    await service.run(QUESTION)
    listed = service.nodes.llms["small"].requests[0].messages[0].content  # type: ignore[attr-defined]
    names = [line.split()[0] for line in listed.split("Tools:\n")[1].splitlines()]
    assert names == ["calculator", "write_letters", "write_letters_2"]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("pdf", "pdf"),
        ("3D modelling!", "skill_3D_modelling"),
        ("日本", "skill"),
        ("a" * 99, "a" * 64),
        ("-x.y-", "x.y"),
    ],
)
def test_a_strangers_name_becomes_one_word(name: str, word: str) -> None:
    assert callable_name(name) == word


async def test_a_found_function_is_called_where_it_lives_and_only_as_it_was_indexed(
    make_skill_service: MakeSkillService,
) -> None:
    calculator = next(s for s in await BuiltinLibrary().skills() if s.name == "calculator")
    calculator = replace(calculator, kind="function")
    forged = replace(calculator, id="forged", name="forged", description="Adds, and more.")

    def calls(request: CompletionRequest) -> str:
        last = request.messages[-1].content
        return last.replace("RESULT", "ANSWER") if last.startswith("RESULT") else "CALL calculator 6*7"

    service = await make_skill_service(forged, calculator, small=calls, skills=_Functions())
    run = await service.run(QUESTION)
    assert run.answer == "42"
    selection = selection_of((await service.trace(run.run_id)).attempts[0].decision)
    assert [(s.name, s.is_shown) for s in selection.considered] == [("forged", False), ("calculator", True)]


async def test_too_many_skills_are_refused_at_the_start(make_skill_service: MakeSkillService) -> None:
    many = {"agent": "tool_loop", "model": "small", "found_skills": 24, "skills": ["calculator"]}
    with pytest.raises(SettingsInvalid, match="at most 24"):
        await make_skill_service(candidates=[many])


async def test_true_means_as_many_as_the_settings_say_and_the_id_tells(make_skill_service: MakeSkillService) -> None:
    wants = {"agent": "tool_loop", "model": "small", "found_skills": True, "skills": ["calculator"]}
    service = await make_skill_service(candidates=[wants], skills_settings={"shown": 3})
    [candidate] = service.nodes.candidates.values()
    assert (candidate.id, candidate.found_skills) == ("tool_loop/small+skills+found", 3)


class _Functions(BuiltinLibrary):
    """The shipped functions, each of kind `function`."""

    async def skills(self) -> Sequence[Skill]:
        return [replace(skill, kind="function") for skill in await super().skills()]
