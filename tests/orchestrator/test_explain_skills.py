"""The skills that a decision considered, in words and bars."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.explain import explain
from orchestrator.explain_skills import skill_lines
from orchestrator.explain_trace import trace_lines
from skills.base import content_sha256
from storage.records import Decision
from tests.orchestrator.skill_doubles import (
    DoubleIndex,
    ListedSearcher,
    MakeSkillService,
    make_skill_service,
    text_skill,
)

__all__ = ["make_skill_service"]

WIDTH = 200
NARROW = 80


def lines_of(decision: Decision, *, width: int = WIDTH) -> list[str]:
    return [each.plain.rstrip() for each in skill_lines(decision, width=width)]


SKILLS = [text_skill(f"skill {place}") for place in range(14)]


async def test_scores_bars_marks_and_digests_are_told(make_skill_service: MakeSkillService) -> None:
    service = await make_skill_service(*SKILLS)
    run = await service.run("Do it.")
    attempt = await service.attempt(run.decision_id)
    lines = lines_of(attempt.decision)
    assert lines[0].startswith("Skills    14 considered, 2 shown; fits with probability 0.90   (index 111111111111, ")
    assert "ranker 222222222222, encoder double" in lines[0]
    assert lines[1].split() == ["retrieval", "rerank"]
    assert lines[2].split() == [
        "→", "1", "skill", "0", "0.0164", "██████████", "2.0000", "██████████", "v1", content_sha256(SKILLS[0])[:12],
    ]  # fmt: skip
    assert [line.strip().startswith("→") for line in lines[2:12]] == [True, True] + [False] * 8
    assert lines[11].split()[-3] == "··········"
    assert lines[12] == "    … and 4 more"
    assert lines[2] in explain(attempt, width=WIDTH)
    assert "  skills  skill 0, skill 1" in trace_lines(await service.trace(run.run_id))


async def test_where_the_terminal_is_narrow_digests_are_left_out_and_nothing_is_wider(
    make_skill_service: MakeSkillService,
) -> None:
    service = await make_skill_service(*(replace(each, name=f"{each.name} {'long ' * 20}") for each in SKILLS))
    lines = lines_of(await service.route("Do it."), width=NARROW)
    assert max(map(len, lines)) <= NARROW
    assert not any(content_sha256(SKILLS[0])[:12] in line for line in lines)
    assert sum("█" in line for line in lines) == 9  # the tenth has the least score


async def test_abstaining_and_failing_are_told(make_skill_service: MakeSkillService) -> None:
    index = DoubleIndex(searcher=ListedSearcher(offered=SKILLS, fit_probability=0.1))
    service = await make_skill_service(index=index, skills_settings={"least_fit": 0.5})
    [first, *rest] = lines_of(await service.route("Do it."))
    assert "14 considered, none shown: none is likely to fit: probability 0.10" in first
    assert not any("→" in line for line in rest)
    index.error = RuntimeError("The index broke.")
    assert lines_of(await service.route("Do it.")) == ["Skills    skills could not be searched for: The index broke."]


async def test_without_a_ranker_and_with_a_hostile_name_the_lines_stay_readable(
    make_skill_service: MakeSkillService,
) -> None:
    hostile = replace(SKILLS[0], name="\x1b[2J\u202ename" + "x" * 99)
    service = await make_skill_service(hostile)
    decision = await service.route("Do it.")
    assert decision.skills is not None
    plain = replace(decision.skills.considered[0], rerank=None)
    decision = replace(decision, skills=replace(decision.skills, considered=(plain,), ranker_sha256=""))
    first, _, line = lines_of(decision)
    assert "no ranker" in first
    assert "\\x1b[2J\\u202enamexxx" in line
    assert "         - " in line


async def test_decisions_without_a_search_say_nothing(make_skill_service: MakeSkillService) -> None:
    plain = {"id": "plain", "agent": "single_turn", "model": "small"}
    service = await make_skill_service(candidates=[plain])
    assert lines_of(await service.route("Do it.")) == []
