"""What a workflow and its steps look like in JSON: which options a caller from outside may give, and how much of all.

Nothing of it is trusted. Callables and whatever else lives only in this process have no place in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar, cast

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from orchestrator.plans.base import PlanSpec
from orchestrator.plans.registry import make_plan, plan_of_caller
from orchestrator.run_options import RunOptions
from routing.forecasts import Weights
from storage.budget_records import BudgetLimits, OnExhausted
from storage.errors import InvalidInput
from storage.records import Generation, Message

MOST_STEPS = 100
MOST_INPUTS = 100
MOST_MESSAGES = 1000
LONGEST_NAME = 100  # characters
USUAL = Generation()

DEEPEST = 100  # objects and lists within each other


def _storable(value: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """As it is. Raises ValueError for what could be read from a body and not be written with the job."""
    level: list[Any] = [value] if isinstance(value, dict) else []
    for _ in range(DEEPEST):
        level = [each for one in level for each in (one.values() if isinstance(one, dict) else one)]
        level = [each for each in level if isinstance(each, dict | list)]
    if level:
        raise ValueError(f"it is more than {DEEPEST} levels deep")
    try:
        orjson.dumps(value)
    except TypeError as exc:  # a number of more than 64 bits, half a surrogate pair
        raise ValueError(f"it cannot be stored: {exc}") from exc
    return value


Storable = AfterValidator(_storable)
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Finite = Annotated[float, Field(ge=0, allow_inf_nan=False)]
B = TypeVar("B", bound="Part")


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Turn(Part):
    role: Literal["system", "user", "assistant"]
    content: str


class BudgetPart(Part):
    usd: Annotated[Decimal, Field(ge=0)] | None = None
    tokens: Annotated[int, Field(ge=0)] | None = None
    seconds: Finite | None = None
    joules: Finite | None = None


class StepOptions(Part):
    """What a caller from outside may say of a step; the same words as for one query over HTTP."""

    policy: Name | None = None
    candidate: Annotated[str, Field(max_length=500)] | None = None
    weights: Annotated[dict[str, Finite], Field(max_length=8)] | None = None
    budget_usd: Annotated[Decimal, Field(ge=0)] | None = None
    budget: BudgetPart | None = None
    on_exhausted: OnExhausted | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    requires: Annotated[list[Name], Field(max_length=16)] = []
    plan: Name | None = None
    plan_options: Annotated[dict[str, Any], Field(max_length=16), Storable] = {}
    verifier: Annotated[Annotated[str, Field(max_length=200)] | dict[str, Any] | None, Storable] = None
    session: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    messages: Annotated[list[Turn], Field(max_length=MOST_MESSAGES)] = []
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    stop: Annotated[list[str], Field(max_length=4)] = []

    def run_options(self) -> RunOptions:
        """Only what was given. Raises InvalidInput for an unknown plan, or options that it does not take."""
        options: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("policy", "candidate", "budget_usd", "on_exhausted", "timeout_seconds", "verifier", "session")
        }
        options["weights"] = self.weights
        options["budget"] = None if self.budget is None else self.budget.model_dump(exclude_none=True)
        options["plan"] = self._plan()
        options["requires"] = tuple(self.requires) or None
        options["messages"] = tuple(Message(role=turn.role, content=turn.content) for turn in self.messages) or None
        options["generation"] = self._generation()
        given = {name: value for name, value in options.items() if value is not None}
        return cast(RunOptions, given)

    def _plan(self) -> PlanSpec | None:
        if self.plan is None:
            if self.plan_options:
                raise InvalidInput("plan_options without a plan.", field="plan_options", hint="Name the plan, too.")
            return None
        plan = plan_of_caller(self.plan, self.plan_options)
        make_plan(plan)
        return plan

    def _generation(self) -> Generation | None:
        generation = Generation(
            max_output_tokens=USUAL.max_output_tokens if self.max_tokens is None else self.max_tokens,
            temperature=USUAL.temperature if self.temperature is None else self.temperature,
            seed=self.seed,
            stop=tuple(self.stop),
        )
        return None if generation == USUAL else generation


class StepBody(StepOptions):
    """One step: a prompt with `{names}` of inputs and earlier steps, and its options beside it."""

    name: Name
    prompt: Annotated[str, Field(min_length=1)]
    critical: bool = False


class WorkflowBody(Part):
    """A workflow as it is sent, stored with a job, and written in the settings."""

    name: Annotated[str, Field(max_length=LONGEST_NAME)] = ""
    inputs: Annotated[list[Name], Field(max_length=MOST_INPUTS)] = ["input"]
    steps: Annotated[list[StepBody], Field(min_length=1, max_length=MOST_STEPS)]


def parsed(kind: type[B], given: object, *, field: str) -> B:
    """Raises InvalidInput, naming the first field that is wrong: `workflow.steps.2.prompt`."""
    try:
        return kind.model_validate(given)
    except ValidationError as exc:
        fault = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join((field, *map(str, fault["loc"])))
        raise InvalidInput(f"{place}: {fault['msg']}.", field=place) from exc


def definition_of(step: str, options: RunOptions) -> dict[str, Any]:
    """A step's options as JSON. Raises InvalidInput for one that cannot be stored."""
    plain: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if not plain:
        return {}
    if plain.pop("metadata", None):
        plain["metadata"] = True  # refused below: it is the job's
    generation: Generation = plain.pop("generation", USUAL)
    for ours, theirs in (("max_output_tokens", "max_tokens"), ("temperature", "temperature"), ("seed", "seed")):
        if getattr(generation, ours) != getattr(USUAL, ours):
            plain[theirs] = getattr(generation, ours)
    plain.update({"stop": list(generation.stop)} if generation.stop else {})
    if isinstance(plan := plain.get("plan"), PlanSpec):
        plain.update(plan=plan.name, plan_options=dict(plan.options))
    if isinstance(weights := plain.get("weights"), Weights):
        plain["weights"] = asdict(weights)
    if isinstance(budget := plain.get("budget"), BudgetLimits):
        plain["budget"] = {name: value for name, value in asdict(budget).items() if value is not None}
    for name in ("messages", "requires"):
        if name in plain:
            plain[name] = [_turn(each) for each in plain[name]]
    body = parsed(StepOptions, plain, field=f"steps.{step}")
    return body.model_dump(mode="json", exclude_defaults=True)


def _turn(each: object) -> object:
    return {"role": each.role, "content": each.content} if isinstance(each, Message) else each


def as_mapping(given: object, *, field: str) -> Mapping[str, Any]:
    """Raises InvalidInput for what is no JSON object."""
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise InvalidInput(f"{field} is {given!r:.80}; it must be an object.", field=field)
    return given
