"""A workflow as one agent: which can be compiled, which step forbids it, and what it saves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.llm import CompletionRequest, ScriptedLLM
from orchestrator.bootstrap import bootstrap
from orchestrator.checkers import Checker
from orchestrator.compiling import NotCompilable, compile_workflow, write_skills
from orchestrator.service import Service
from orchestrator.workflow import Workflow
from orchestrator.workflow_runs import run_workflow
from skills.wrappers import TextLibrary
from storage.records import Candidate, Generation, Message, ModelCard
from tests.conftest import scripted_settings

TEXT = "word " * 300
ALONE = {"id": "alone", "agent": "single_turn", "model": "small"}


def candidate(id: str, model: str = "small", **more: Any) -> Candidate:
    return Candidate(id=id, agent="single_turn", model=model, card=ModelCard(model=model), **more)


CANDIDATES = {c.id: c for c in (candidate("alone"), candidate("other", "large"), candidate("tools", skills=("x",)))}


def review() -> Workflow:
    workflow = Workflow("review", inputs=["text"])
    workflow.step("claims", "List the claims in: {text}", candidate="alone")
    workflow.step("doubts", "Which of these are doubtful: {claims}\nin {text}", candidate="alone")
    return workflow.step(
        "report", "Report on {doubts}", candidate="alone", checker=Checker(kind="contains", expected="7")
    )


def workflow_with(prompt: str = "Report on {a}", **options: Any) -> Workflow:
    workflow = Workflow("w", inputs=["text"]).step("a", "First: {text}", candidate="alone")
    return workflow.step("b", prompt, **{"candidate": "alone", **options})


def test_roles_have_the_steps_prompts_and_order() -> None:
    plan = compile_workflow(review(), CANDIDATES)
    assert [(role.name, role.needs) for role in plan.roles] == [
        ("claims", ("text",)), ("doubts", ("claims", "text")), ("report", ("doubts",)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("workflow", "said"),
    [
        (workflow_with(candidate=None), "Step 'b' is routed"),
        (workflow_with(candidate="nobody"), "Step 'b' names no known candidate, 'nobody'"),
        (workflow_with(candidate="other"), "Step 'b' thinks with model 'large', and step 'a' with 'small'"),
        (workflow_with(candidate="tools"), "Step 'b' uses skills of its own"),
        (workflow_with(messages=(Message(role="user", content="x"),)), "Step 'b' has turns before it"),
        (workflow_with(generation=Generation(temperature=0.9)), "Step 'b' samples otherwise than step 'a'"),
        (workflow_with(requires=("vision",)), "Step 'b' has another `requires`"),
        (workflow_with("First: {text}"), "Step 'b' samples the prompt of step 'a' once more"),
        (
            workflow_with(checker=Checker(kind="exact", expected="x")).step("c", "{b}", candidate="alone"),
            "Step 'b' is judged by a checker",
        ),
        (Workflow("empty"), "has no steps"),
    ],
)
def test_what_one_agent_cannot_do_is_refused_by_its_step(workflow: Workflow, said: str) -> None:
    with pytest.raises(NotCompilable) as raised:
        compile_workflow(workflow, CANDIDATES)
    assert said in str(raised.value)


def test_a_longer_answer_is_no_other_sampling() -> None:
    plan = compile_workflow(workflow_with(generation=Generation(max_output_tokens=9)), CANDIDATES)
    assert len(plan.roles) == 2


def plays(request: CompletionRequest) -> str:
    """Does the work of one step, or of all roles where it is given roles."""
    work = {"claims": "Seven claims.", "doubts": "Two doubts.", "report": "Seven, two: 7 in all."}
    if "You play all the roles" in request.messages[0].content:
        return "\n".join(f"ROLE {place:02d}-{name}\n{text}" for place, (name, text) in enumerate(work.items(), start=1))
    asked = request.messages[-1].content
    return work["claims" if asked.startswith("List") else "doubts" if asked.startswith("Which") else "report"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    answer: str
    calls: int
    tokens: int
    cost_usd: Decimal


@pytest.fixture
async def services() -> AsyncIterator[list[Service]]:
    opened: list[Service] = []
    yield opened
    for service in opened:
        await service.close()


def counted(llm: ScriptedLLM, answer: str, cost_usd: Decimal) -> Measured:
    words = sum(len(message.content.split()) for request in llm.requests for message in request.messages)
    return Measured(answer=answer, calls=len(llm.requests), tokens=words, cost_usd=cost_usd)


async def test_one_agent_with_skills_answers_alike_with_fewer_calls_and_tokens(services: list[Service]) -> None:
    many_llm, one_llm = ScriptedLLM(reply=plays), ScriptedLLM(reply=plays)
    many = await bootstrap(scripted_settings(candidates=[ALONE]), llms={"small": many_llm})
    services.append(many)
    run = await run_workflow(many, review(), {"text": TEXT}, budget_usd=1)
    as_many = counted(many_llm, run.answer, run.cost_usd)

    plan = compile_workflow(review(), many.nodes.candidates)
    skills = plan.skills()
    compiled = {"id": "one", "agent": "compiled", "model": "small", "skills": [skill.name for skill in skills]}
    one = await bootstrap(scripted_settings(candidates=[compiled]), llms={"small": one_llm}, skills=TextLibrary(skills))
    services.append(one)
    single = await one.run(plan.question(text=TEXT), budget_usd=1)
    as_one = counted(one_llm, single.answer, single.cost_usd)

    assert as_one.answer == as_many.answer == "Seven, two: 7 in all."
    assert (as_many.calls, as_one.calls) == (3, 1)
    assert as_one.tokens < 0.85 * as_many.tokens
    assert as_one.cost_usd < as_many.cost_usd


async def test_the_written_folder_is_served_by_settings_alone(services: list[Service], tmp_path: Path) -> None:
    plan = compile_workflow(review(), CANDIDATES)
    files = write_skills(plan, tmp_path)
    names = [file.parent.name for file in files]
    assert names == ["01-claims", "02-doubts", "03-report"]
    compiled = {"id": "one", "agent": "compiled", "model": "small", "skills": names}
    settings = scripted_settings(candidates=[compiled], skills={"folders": [str(tmp_path)]})
    service = await bootstrap(settings, llms={"small": ScriptedLLM(reply=plays)})
    services.append(service)
    assert (await service.run(plan.question(text="x"), budget_usd=1)).answer == "Seven, two: 7 in all."
