"""What callers may send, field by field; anything else is refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from orchestrator.plans.base import PlanSpec
from orchestrator.plans.registry import plan_of_caller
from orchestrator.run_options import RunOptions
from storage.budget_records import OnExhausted
from storage.errors import InvalidInput
from storage.records import Generation, Message

DEFAULT_OUTPUT_TOKENS = 256


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RoutingWeights(Body):
    """What a trained router weighs; not all zero."""

    quality: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    cost: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    latency: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    energy: Annotated[float, Field(ge=0, le=1e6)] = 0.0


def _counted(value: object) -> object:
    """Raises ValueError for what is no number, though pydantic would read it as one."""
    if isinstance(value, bool | str):
        raise ValueError("give a number")
    return value


def _money(value: object) -> object:
    """As `_counted`, but for an amount as text, which is how the answers tell it."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,15})?", value):
        return float(value)
    return _counted(value)


NUMBER = BeforeValidator(_counted)
USD = BeforeValidator(_money)


class RunBudget(Body):
    """The most that the run may take; the settings' limit of what is not named."""

    usd: Annotated[float, Field(ge=0), USD] | None = None
    tokens: Annotated[int, Field(ge=0), NUMBER] | None = None
    seconds: Annotated[float, Field(ge=0), NUMBER] | None = None
    joules: Annotated[float, Field(ge=0), NUMBER] | None = None


class RoutingFields(Body):
    """Ours, under `antroute` in the body (`extra_body` in OpenAI's clients)."""

    budget_usd: Annotated[float, Field(ge=0)] | None = None
    budget: RunBudget | None = None
    on_exhausted: OnExhausted | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] | None = None
    requires: list[str] = Field(default_factory=list, max_length=16)
    weights: RoutingWeights | None = None
    plan: Annotated[str, Field(max_length=100)] | None = None  # a name of `antroute plans list`
    plan_options: dict[str, Any] = Field(default_factory=dict, max_length=16)
    verifier: Annotated[str, Field(max_length=200)] | dict[str, Any] | None = None  # of the settings, or declarative
    session: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    is_tool_turn: bool = False  # inside a loop of tool calls the session's candidate is kept


class RouteRequest(Body):
    """What would be decided for this text."""

    text: str
    model: str = "auto"
    max_tokens: int = Field(default=DEFAULT_OUTPUT_TOKENS, ge=1)
    antroute: RoutingFields = RoutingFields()


class OutcomeRequest(Body):
    """A verdict on an answer."""

    quality: float = Field(ge=0, le=1)
    judged_by: Literal["environment", "verifier", "judge", "user"] = "user"


def _plan_of(fields: RoutingFields) -> PlanSpec | None:
    """Raises InvalidInput for options of no plan, and for those that only the operator may give."""
    if fields.plan_options and fields.plan is None:
        raise InvalidInput("plan_options without a plan.", field="plan_options", hint="Name the plan, too.")
    return None if fields.plan is None else plan_of_caller(fields.plan, fields.plan_options)


def options_of(
    model: str,
    fields: RoutingFields,
    generation: Generation,
    *,
    messages: tuple[Message, ...] = (),
    metadata: Mapping[str, str] | None = None,
) -> RunOptions:
    """`auto`, `auto:POLICY` or a candidate's id, and the rest of what a caller may wish."""
    name, _, policy = model.partition(":")
    is_auto = name == "auto"
    return RunOptions(
        policy=(policy or None) if is_auto else None,
        candidate=None if is_auto else model,
        budget_usd=fields.budget_usd,
        budget=None if fields.budget is None else fields.budget.model_dump(),
        on_exhausted=fields.on_exhausted,
        timeout_seconds=fields.timeout_seconds,
        requires=tuple(fields.requires),
        plan=_plan_of(fields),
        verifier=fields.verifier,
        session=fields.session,
        is_tool_turn=fields.is_tool_turn,
        weights=None if fields.weights is None else fields.weights.model_dump(),
        generation=generation,
        messages=messages,
        metadata=metadata or {},
    )
