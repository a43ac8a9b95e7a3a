"""Workflows as JSON, from callers nobody trusts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from orchestrator.jobs.definitions import Assignment, Workflows
from orchestrator.jobs.request import JobRequest
from orchestrator.plans.base import PlanSpec
from orchestrator.workflow import Workflow
from orchestrator.workflow_json import MOST_STEPS
from storage.budget_records import BudgetLimits
from storage.errors import InvalidInput
from storage.records import Generation, Message

STEP = {"name": "one", "prompt": "say {text}"}
DEFINITION = {"name": "mine", "inputs": ["text"], "steps": [STEP]}
NAMED = Workflows.of({"review": {"inputs": ["text"], "steps": [STEP, {"name": "two", "prompt": "check {one}"}]}})


def everything() -> Workflow:
    return Workflow("w", inputs=["text"]).step(
        "one",
        "{text}",
        critical=True,
        policy="uniform",
        candidate="small",
        weights={"quality": 1.0, "cost": 0.5},
        budget={"usd": Decimal("0.01"), "tokens": 500, "seconds": 2.5},
        on_exhausted="degrade",
        timeout_seconds=3,
        requires=("chat",),
        plan=PlanSpec(name="vote", options={"most": 3}),
        verifier={"kind": "numeric", "expected": 391},
        session="s",
        messages=(Message(role="system", content="Be short."),),
        generation=Generation(max_output_tokens=9, temperature=0.5, seed=4, stop=("x",)),
    )


def test_definition_comes_back_as_the_workflow_it_was_made_of() -> None:
    workflow = everything()
    again = Workflow.of(workflow.definition())
    assert again.definition() == workflow.definition()
    step, options = again.steps["one"], again.steps["one"].options
    assert (step.prompt, step.is_critical, again.inputs, again.name) == ("{text}", True, ("text",), "w")
    assert options["generation"] == Generation(max_output_tokens=9, temperature=0.5, seed=4, stop=("x",))
    assert options["plan"] == PlanSpec(name="vote", options={"most": 3})
    assert options["messages"] == (Message(role="system", content="Be short."),)
    assert options["budget"] == {"usd": Decimal("0.01"), "tokens": 500, "seconds": 2.5}


def test_plain_step_has_no_options() -> None:
    assert Workflow("w").step("a", "{input}").definition()["steps"] == [{"name": "a", "prompt": "{input}"}]
    assert Workflow.of(Workflow("w").step("a", "{input}").definition()).steps["a"].options == {}


def test_limits_and_a_budget_in_usd_can_be_stored() -> None:
    workflow = Workflow("w").step("a", "{input}", budget=BudgetLimits(tokens=5)).step("b", "{a}", budget_usd="0.5")
    options = [step.options for step in Workflow.of(workflow.definition()).steps.values()]
    assert options == [{"budget": {"tokens": 5}}, {"budget_usd": Decimal("0.5")}]


def test_what_lives_only_in_this_process_cannot_be_stored() -> None:
    class Verifier:
        name = "mine"

    with pytest.raises(InvalidInput, match=r"steps\.a\.verifier"):
        Workflow("w").step("a", "{input}", verifier=Verifier()).definition()  # type: ignore[arg-type]  # no verifier
    with pytest.raises(InvalidInput, match=r"steps\.a\.account: Extra inputs"):
        Workflow("w").step("a", "{input}", account="somebody").definition()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"steps": []}, "workflow.steps"),
        ({"steps": [STEP] * (MOST_STEPS + 1)}, "workflow.steps"),
        ({"steps": [{**STEP, "name": ""}]}, "workflow.steps.0.name"),
        ({"steps": [{**STEP, "name": "n" * 101}]}, "workflow.steps.0.name"),
        ({"steps": [STEP, STEP]}, "workflow.steps.1.name"),
        ({"steps": [{**STEP, "prompt": 7}]}, "workflow.steps.0.prompt"),
        ({"steps": [{**STEP, "prompt": "{later}"}]}, "workflow.steps.0.prompt"),
        ({"steps": [{**STEP, "prompt": "{text"}]}, "workflow.steps.0.prompt"),
        ({"steps": [{**STEP, "prompt": "{text.__class__}"}]}, "workflow.steps.0.prompt"),
        ({"steps": [{**STEP, "account": "rich"}]}, "workflow.steps.0.account"),
        ({"steps": [{**STEP, "identity": {"role": "admin"}}]}, "workflow.steps.0.identity"),
        ({"steps": [{**STEP, "run_id": "run_1"}]}, "workflow.steps.0.run_id"),
        ({"steps": [{**STEP, "api_base": "http://evil"}]}, "workflow.steps.0.api_base"),
        ({"steps": [{**STEP, "budget_usd": -1}]}, "workflow.steps.0.budget_usd"),
        ({"steps": [{**STEP, "budget_usd": "NaN"}]}, "workflow.steps.0.budget_usd"),
        ({"steps": [{**STEP, "budget": {"usd": 1, "gold": 2}}]}, "workflow.steps.0.budget.gold"),
        ({"steps": [{**STEP, "timeout_seconds": 0}]}, "workflow.steps.0.timeout_seconds"),
        ({"steps": [{**STEP, "max_tokens": 0}]}, "workflow.steps.0.max_tokens"),
        ({"steps": [{**STEP, "plan": "nothing"}]}, "workflow.steps.0.plan"),
        ({"steps": [{**STEP, "plan": "vote", "plan_options": {"nothing": 1}}]}, "workflow.steps.0.plan"),
        ({"steps": [{**STEP, "plan_options": {"samples": 1}}]}, "workflow.steps.0.plan_options"),
        ({"steps": [{**STEP, "messages": [{"role": "tool", "content": ""}]}]}, "workflow.steps.0.messages.0.role"),
        ({"inputs": ["text", "text"]}, "workflow.inputs"),
        ({"inputs": "text"}, "workflow.inputs"),
        ({"name": "ask"}, "workflow.name"),
        ({"name": "review"}, "workflow.name"),
        ({"name": ""}, "workflow.name"),
        ({"else": 1}, "workflow.else"),
    ],
)
def test_wrong_definition_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        NAMED.assignment(JobRequest(workflow={**DEFINITION, **change}, input={"text": "x"}))
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("workflow", "given", "field"),
    [
        ("reveiw", {}, "workflow"),
        (7, {}, "workflow"),
        ("review", {}, "input.text"),
        ("review", {"text": "a", "txt": "b"}, "input"),
        ("review", {"text": 7}, "input.text"),
        ("review", {"text": "a\x00"}, "input.text"),
        ("review", ["text"], "input"),
        ("ask", {}, "input"),
        ("ask", {"text": "a", "messages": []}, "input"),
        ("ask", {"messages": []}, "input.messages"),
        ("ask", {"messages": [{"role": "assistant", "content": "a"}]}, "input.messages"),
        ("ask", {"messages": [{"role": "user"}]}, "input.messages.0.content"),
        ("ask", {"text": "a", "options": {"gold": 1}}, "input.options.gold"),
        ("ask", {"text": "a", "options": {"messages": [{"role": "user", "content": "b"}]}}, "input.options.messages"),
        ("ask", {"text": "a", "candidate": "small"}, "input"),
    ],
)
def test_wrong_request_is_refused_by_its_field(workflow: Any, given: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        NAMED.assignment(JobRequest(workflow=workflow, input=given))
    assert raised.value.field == field


def test_nearest_name_is_told() -> None:
    with pytest.raises(InvalidInput, match=r"No workflow 'reveiw'; did you mean 'review'\?; known: ask, review"):
        NAMED.assignment(JobRequest(workflow="reveiw"))


def test_question_is_one_step_that_no_brace_can_change() -> None:
    done = NAMED.assignment(JobRequest(input={"text": "{0} {text} {{"}))
    [step] = done.workflow.steps.values()
    assert step.filled(done.inputs) == "{0} {text} {{"
    assert (step.name, done.workflow.name, step.options) == ("answer", "ask", {})


def test_question_may_be_a_conversation_and_have_options() -> None:
    messages = [{"role": "system", "content": "Short."}, {"role": "user", "content": "Why?"}]
    done = NAMED.assignment(JobRequest(input={"messages": messages, "options": {"candidate": "small"}}))
    [step] = done.workflow.steps.values()
    assert step.filled(done.inputs) == "Why?"
    assert step.options == {"candidate": "small", "messages": (Message(role="system", content="Short."),)}


def test_stored_request_is_whole() -> None:
    """The worker that reads it needs no settings."""
    done = NAMED.assignment(JobRequest(workflow="review", input={"text": "é 😀"}))
    again = Assignment.of(done.text())
    assert again.workflow.definition() == NAMED.name_to_workflow["review"].definition()
    assert again.inputs == done.inputs


def test_settings_cannot_call_a_workflow_ask() -> None:
    with pytest.raises(InvalidInput, match="'ask' is there already"):
        Workflows.of({"ask": {"steps": [STEP]}})


def nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"x": found}
    return found


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("verifier", {"kind": "numeric", "expected": 10**40}, "cannot be stored"),
        ("verifier", {"kind": "regex", "pattern": "\ud800"}, "surrogates|unicode"),
        ("verifier", nested(400), "levels deep"),
        ("plan_options", nested(400), "levels deep"),
        ("plan_options", {"most": [10**40]}, "cannot be stored"),
    ],
)
def test_what_could_not_be_written_with_the_job_is_refused(name: str, value: object, why: str) -> None:
    given = {**DEFINITION, "steps": [{**STEP, "plan": "vote", name: value}]}
    with pytest.raises(InvalidInput, match=why) as caught:
        Workflow.of(given)
    assert caught.value.field.startswith(f"workflow.steps.0.{name}")


def test_prompt_that_quotes_an_input_too_often_is_refused_before_it_is_made() -> None:
    workflow = Workflow("w", inputs=["text"]).step("one", "{text}" * 1000)
    with pytest.raises(InvalidInput, match=r"has 1000000000000 characters once it is filled"):
        workflow.steps["one"].filled({"text": Long()})


class Long(str):
    """Says that it has so many characters."""

    def __len__(self) -> int:
        return 10**9
