"""Three scripted candidates: a cheap, a middling and a dear one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from agents.errors import ModelUnavailable
from orchestrator.plans.base import Ask
from orchestrator.plans.scripted import ScriptedCandidate, ScriptedWork

Reply = Callable[[Ask], str]


def says(text: str) -> Reply:
    return lambda ask: text


def fails(ask: Ask) -> str:
    raise ModelUnavailable("The model server is down.")


def in_turn(*texts: str) -> Reply:
    """One text a call, the last one for ever."""
    left = list(texts)
    return lambda ask: left.pop(0) if len(left) > 1 else left[0]


CHEAP = ScriptedCandidate(
    reply=says("four"),
    price_usd=Decimal("0.001"),
    expected_quality=0.3,
    probability=0.1,
    token_logprobs=(-0.1, -0.1),
    top_logprobs=({"a": -0.1, "b": -2.4},),
)
MIDDLE = ScriptedCandidate(reply=says("4"), price_usd=Decimal("0.01"), expected_quality=0.6, probability=0.3)
DEAR = ScriptedCandidate(reply=says("five"), price_usd=Decimal("0.1"), expected_quality=0.9, probability=0.6)
PRICES = {"cheap": CHEAP.price_usd, "middle": MIDDLE.price_usd, "dear": DEAR.price_usd}


def work(
    *, cheap: Reply | None = None, middle: Reply | None = None, dear: Reply | None = None, **changes: Any
) -> ScriptedWork:
    made = {
        "cheap": CHEAP if cheap is None else replace(CHEAP, reply=cheap),
        "middle": MIDDLE if middle is None else replace(MIDDLE, reply=middle),
        "dear": DEAR if dear is None else replace(DEAR, reply=dear),
    }
    return ScriptedWork(**{"name_to_candidate": made, **changes})
