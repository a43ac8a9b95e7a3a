"""Routed steps in a row or side by side, with a budget for the whole and for each step."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol, Unpack

from orchestrator.run import Run
from orchestrator.run_options import RunOptions, check_names
from orchestrator.workflow_json import WorkflowBody, as_mapping, definition_of, parsed
from storage.errors import InvalidInput

LONGEST_FILLED = 10_000_000  # characters; `limits.query_bytes` is far below


class Runner(Protocol):
    """Whoever can run a query: the embedded orchestrator, a client, a service."""

    async def run(self, text: str, **options: Unpack[RunOptions]) -> Run: ...


@dataclass(frozen=True, kw_only=True)
class Step:
    """A prompt with `{names}` of the input and of earlier steps, and how it shall be run."""

    name: str
    prompt: str
    options: RunOptions = field(default_factory=RunOptions)
    is_critical: bool = False  # the other steps leave part of the budget for it

    @property
    def needs(self) -> tuple[str, ...]:
        """The names in the prompt, each once, in order. Raises InvalidInput for a brace that stands alone."""
        return tuple(dict.fromkeys(name for _, name in self._parts() if name is not None))

    def filled(self, values: Mapping[str, str]) -> str:
        """The prompt with values in place of names; a value is text and is never parsed again.

        Raises InvalidInput, before it is made, for a text that no query could be: one name may stand there often.
        """
        pieces = [each for literal, name in self._parts() for each in (literal, "" if name is None else values[name])]
        if (length := sum(map(len, pieces))) > LONGEST_FILLED:
            raise InvalidInput(
                f"The prompt of {self.name!r} has {length} characters once it is filled; at most {LONGEST_FILLED} are "
                "taken.",
                field="prompt",
            )
        return "".join(pieces)

    def _parts(self) -> list[tuple[str, str | None]]:
        """Text and the name that follows it."""
        try:
            return [(literal, name) for literal, name, _, _ in string.Formatter().parse(self.prompt)]
        except ValueError as exc:
            raise InvalidInput(
                f"The prompt of {self.name!r} cannot be read: {exc}.",
                field="prompt",
                hint="Write {{ and }} for braces.",
            ) from exc


@dataclass(frozen=True, kw_only=True)
class WorkflowRun:
    """What each step answered and what all of it cost."""

    run_id: str
    answers: Mapping[str, str]  # by step
    runs: Mapping[str, Run]  # by step
    cost_usd: Decimal

    @property
    def answer(self) -> str:
        """The last step's."""
        return list(self.answers.values())[-1]


class Workflow:
    """Steps that name each other in their prompts; what does not depend on each other runs side by side.

    >>> workflow = Workflow("review", inputs=["text"])
    >>> workflow.step("claims", "List the claims in: {text}").step("check", "Which of these are doubtful? {claims}")
    """

    def __init__(self, name: str, *, inputs: Sequence[str] = ("input",)) -> None:
        self.name = name
        self.inputs = tuple(inputs)
        self.steps: dict[str, Step] = {}

    def step(self, name: str, prompt: str, *, critical: bool = False, **options: Unpack[RunOptions]) -> Workflow:
        """Adds a step; `budget` or `budget_usd` among the options limits it.

        For `critical` ones the others leave a part of the whole budget. Raises InvalidInput for unknown or doubled
        names.
        """
        check_names(options)
        if name in self.steps or name in self.inputs:
            raise InvalidInput(f"Workflow {self.name!r} has {name!r} already.", field="name")
        step = Step(name=name, prompt=prompt, options=options, is_critical=critical)
        known = [*self.inputs, *self.steps]
        for need in step.needs:
            if need not in known:
                raise InvalidInput(
                    f"Step {name!r} needs {need!r}: neither input nor earlier step; known: {', '.join(known)}.",
                    field="prompt",
                )
        self.steps[name] = step
        return self

    def definition(self) -> dict[str, Any]:
        """The workflow as JSON, for a job. Raises InvalidInput for a step's option that cannot be stored."""
        steps = [
            {
                "name": step.name,
                "prompt": step.prompt,
                **({"critical": True} if step.is_critical else {}),
                **definition_of(step.name, step.options),
            }
            for step in self.steps.values()
        ]
        return {"name": self.name, "inputs": list(self.inputs), "steps": steps}

    @classmethod
    def of(cls, definition: Mapping[str, Any], *, field: str = "workflow") -> Workflow:
        """The workflow that was defined so. Raises InvalidInput, naming the field, for anything that is wrong."""
        body = parsed(WorkflowBody, as_mapping(definition, field=field), field=field)
        if len(set(body.inputs)) < len(body.inputs):
            raise InvalidInput("An input is named twice.", field=f"{field}.inputs")
        workflow = cls(body.name, inputs=body.inputs)
        for place, step in enumerate(body.steps):
            try:
                workflow.step(step.name, step.prompt, critical=step.critical, **step.run_options())
            except InvalidInput as exc:
                where = f"{field}.steps.{place}.{exc.field}".rstrip(".")
                raise InvalidInput(f"{where}: {exc}", field=where, hint=exc.hint) from exc
        return workflow


class StateNode(Protocol):
    """A node as langgraph takes it: the graph's state in, what changed out."""

    async def __call__(self, state: Any) -> dict[str, str]: ...


def routed_node(runner: Runner, prompt: str, *, key: str, **options: Unpack[RunOptions]) -> StateNode:
    """A node for one's own LangGraph graph: fills the prompt from the state, routes it, writes the answer to `key`."""
    step = Step(name=key, prompt=prompt, options=options)

    async def node(state: Any) -> dict[str, str]:
        run = await runner.run(step.filled({name: str(state[name]) for name in step.needs}), **options)
        return {key: run.answer}

    return node
