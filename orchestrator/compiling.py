"""Turns a workflow into a plan of roles for a single agent, or says which step forbids it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from agents.compiled import Role, RolePlan
from orchestrator.workflow import Step, Workflow
from storage.errors import InvalidInput
from storage.records import Candidate, Generation

FRONT_MATTER = "---\nname: {name}\ndescription: {description}\n---\n\n{body}\n"
SHARED_OPTIONS = ("account", "requires")  # that all steps must agree on


class NotCompilable(InvalidInput):
    """The workflow cannot be run as one agent."""

    code = "not_compilable"


def compile_workflow(workflow: Workflow, candidates: Mapping[str, Candidate]) -> RolePlan:
    """The plan. Raises NotCompilable, naming the step, unless all steps think with one model, in one shared state.

    `candidates`: by id, as the service has them. Forbidden are steps that are routed or use different models, skills of
    their own, turns that only they see, verdicts on what only they wrote, and one prompt sampled several times.
    """
    steps = list(workflow.steps.values())
    if not steps:
        raise NotCompilable(f"Workflow {workflow.name!r} has no steps.", field="steps")
    for step in steps:
        _ensure_one_backbone(step, steps[0], candidates)
        _ensure_no_private_state(step, steps[0], is_last=step is steps[-1])
    _ensure_no_sampling(steps)
    return RolePlan(
        name=workflow.name,
        inputs=workflow.inputs,
        roles=tuple(Role(name=step.name, instructions=step.prompt, needs=step.needs) for step in steps),
    )


def write_skills(plan: RolePlan, folder: Path) -> list[Path]:
    """A SKILL.md folder a role, for `skills.folders` of the settings; a candidate of agent `compiled` names them."""
    written = []
    for skill in plan.skills():
        file = folder / skill.name / "SKILL.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        head = {"name": json.dumps(skill.name), "description": json.dumps(skill.description)}  # YAML reads JSON
        file.write_text(FRONT_MATTER.format(**head, body=skill.body), encoding="utf-8")
        written.append(file)
    return written


def _ensure_one_backbone(step: Step, first: Step, candidates: Mapping[str, Candidate]) -> None:
    pinned = step.options.get("candidate")
    if pinned is None:
        raise _refused(step, "is routed, so nobody knows its model beforehand; give it a `candidate`")
    if pinned not in candidates:
        raise _refused(step, f"names no known candidate, {pinned!r}; known: {', '.join(sorted(candidates))}")
    candidate, other = candidates[pinned], candidates.get(str(first.options.get("candidate")))
    if candidate.skills or candidate.found_skills:
        raise _refused(step, f"uses skills of its own, those of candidate {pinned!r}")
    if other is not None and candidate.model != other.model:
        raise _refused(step, f"thinks with model {candidate.model!r}, and step {first.name!r} with {other.model!r}")


def _ensure_no_private_state(step: Step, first: Step, *, is_last: bool) -> None:
    if step.options.get("messages"):
        raise _refused(step, "has turns before it that no other step may see (`messages`)")
    if step.options.get("checker") is not None and not is_last:
        raise _refused(step, "is judged by a checker before the next step begins")
    for name in SHARED_OPTIONS:
        if step.options.get(name) != first.options.get(name):
            raise _refused(step, f"has another `{name}` than step {first.name!r}")
    if _sampling(step) != _sampling(first):
        raise _refused(step, f"samples otherwise than step {first.name!r} (`generation`)")


def _ensure_no_sampling(steps: list[Step]) -> None:
    prompt_to_step: dict[str, Step] = {}
    for step in steps:
        earlier = prompt_to_step.setdefault(step.prompt, step)
        if earlier is not step:
            raise _refused(step, f"samples the prompt of step {earlier.name!r} once more; one context would copy it")


def _sampling(step: Step) -> Generation:
    """How it samples, whatever its length."""
    return replace(step.options.get("generation", Generation()), max_output_tokens=1)


def _refused(step: Step, why: str) -> NotCompilable:
    return NotCompilable(
        f"Step {step.name!r} {why}.", field=step.name, hint="Run the workflow with an agent for each step instead."
    )
