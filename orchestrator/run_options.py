"""What a caller may say beside the text, what holds where nothing is said, and the query that comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, TypedDict

from orchestrator.budget_options import MoreBudget
from orchestrator.checkers import Checker
from orchestrator.identity import LOCAL, Identity
from orchestrator.needs import needs_of, texts_of
from orchestrator.plans.base import PlanSpec
from orchestrator.texts import is_storable
from orchestrator.verifiers.base import Verifier
from orchestrator.verifiers.person import AskPerson
from routing.forecasts import Weights
from storage.budget_records import BudgetLimits, OnExhausted
from storage.call_records import PLAIN_CALL, CallOptions
from storage.errors import InvalidInput
from storage.records import Generation, Message, Query, new_id


class RunOptions(TypedDict, total=False):
    """What a caller may say beside the text; everything has a default."""

    policy: str | None  # a policy's name; default: the settings' one
    weights: Weights | Mapping[str, float] | None  # quality, cost, latency, energy; default: the settings' ones
    candidate: str | None  # this candidate and no other
    budget_usd: Decimal | float | str | None  # most that the run may cost
    budget: BudgetLimits | Mapping[str, Any] | None  # the same of usd, tokens, seconds, joules; default: the settings'
    on_exhausted: OnExhausted | None  # when the budget allows nobody; default: the settings'
    more_budget: MoreBudget | None  # answers on_exhausted 'ask' with so much more, or None
    timeout_seconds: float | None
    account: str  # the budget account that pays; default: the identity's
    identity: Identity  # on whose behalf; default: the local operator
    checker: Checker | None  # judges the answer at once
    generation: Generation
    messages: tuple[Message, ...]  # the turns before the text
    asked: Message  # the turn of the text, where it is more than that: a name, images
    later: tuple[Message, ...]  # the turns after the text: tool calls and their results
    call: CallOptions  # tools, format, number of replies: for the model itself
    requires: tuple[str, ...]  # capabilities the model must have
    metadata: Mapping[str, str]
    run_id: str  # the run this is a step of; default: a new one
    step: str  # name of the step within the run
    plan: PlanSpec | str | None  # how candidates are run; default: the settings' one
    verifier: Verifier | str | Mapping[str, Any] | None  # judges answers while a plan runs: one, its name, or its kind
    ask_person: AskPerson | None  # how a `person` verifier that the settings name reaches one
    session: str | None  # the conversation it belongs to
    is_tool_turn: bool  # it goes on inside a loop of tool calls of the caller's: the session's candidate is kept


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """Limits for callers who name none, and the most that anybody may send."""

    run_limits: BudgetLimits = BudgetLimits(usd=Decimal("0.10"))
    on_exhausted: OnExhausted = "stop"
    run_timeout_seconds: float = 120.0
    query_bytes: int = 65_536
    output_tokens: int = 4096


def query_of(text: str, options: RunOptions, defaults: Defaults) -> Query:
    """Raises InvalidInput, naming the field, for what cannot be asked."""
    messages, later, asked = options.get("messages", ()), options.get("later", ()), options.get("asked")
    generation, call = options.get("generation", Generation()), options.get("call", PLAIN_CALL)
    whole = (*messages, *((asked,) if asked else ()), *later)
    turns = (text, *(part for message in (*messages, *later) for part in texts_of(message)), *call.texts)
    _check_texts(text, turns, generation, defaults)
    identity = options.get("identity", LOCAL)
    return Query(
        text=text,
        tenant=identity.tenant,
        principal=identity.principal,
        run_id=options.get("run_id") or new_id("run"),
        step=options.get("step", "answer"),
        metadata=options.get("metadata", {}),
        account_id=options.get("account", identity.account_id),
        context_messages=messages,
        text_message=asked,
        later_messages=later,
        call=call,
        required_capabilities=tuple(dict.fromkeys((*options.get("requires", ()), *needs_of(call, whole)))),
        generation=generation,
        session_id=options.get("session"),
        is_tool_turn=options.get("is_tool_turn", False) or any(message.role == "tool" for message in later[-1:]),
    )


def _check_texts(text: str, turns: Sequence[str], generation: Generation, defaults: Defaults) -> None:
    size = sum(len(turn.encode("utf-8", "surrogatepass")) for turn in turns)
    if not all(is_storable(part) for part in (*turns, *generation.stop)):
        raise InvalidInput("The query holds a NUL or half a surrogate pair.", field="text", hint="Send plain UTF-8.")
    if not text.strip():
        raise InvalidInput("The query is empty.", field="text", hint="Send at least one word.")
    if size > defaults.query_bytes:
        raise InvalidInput(
            f"The query has {size} bytes; at most {defaults.query_bytes} are taken.",
            field="text",
            hint="Shorten it, or raise limits.query_bytes in the settings.",
        )
    if not 1 <= generation.max_output_tokens <= defaults.output_tokens:
        raise InvalidInput(
            f"max_tokens is {generation.max_output_tokens}; it must be 1 to {defaults.output_tokens}.",
            field="max_tokens",
        )


def check_names(options: Mapping[str, object]) -> None:
    """Raises InvalidInput for an option that there is not: a misspelt budget must not be no budget."""
    known = sorted(RunOptions.__annotations__)
    for name in options:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            guess = f"; did you mean {close[0]!r}?" if close else "."
            raise InvalidInput(f"No option {name!r}{guess} Known: {', '.join(known)}.", field=name)


def seconds_of(timeout: float) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= 86_400:
        raise InvalidInput(f"timeout_seconds is {timeout!r}; it must lie in (0, 86400].", field="timeout_seconds")
    return timeout
