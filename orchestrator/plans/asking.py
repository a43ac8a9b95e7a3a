"""What several plans share: asking side by side, shares of candidates, checked options."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import exp
from sys import float_info

from agents.errors import AgentError
from orchestrator.errors import DeadlineExceeded
from orchestrator.plans.base import Answer, Ask, Standing, Work
from routing.errors import NoCandidate
from storage.errors import BudgetExceeded, InvalidInput, ServiceError

ASK_FAILED = (AgentError, BudgetExceeded, DeadlineExceeded, NoCandidate)  # no answer came of it; another's may do
TOO_DEAR = (" is left", " are left")  # stand in a mask's reason where a budget is short (`routing.candidates`)


async def ask_all(work: Work, asks: Sequence[Ask]) -> tuple[list[Answer], list[ServiceError]]:
    """Answers in the order of the asks that had one, and what went wrong with the others; asked side by side.

    Raises the first error, one of budget before others, where nobody answered.
    """
    found = await asyncio.gather(*(work.ask(ask) for ask in asks), return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException) and not isinstance(each, ServiceError):
            raise each
    answers = [each for each in found if isinstance(each, Answer)]
    errors = [each for each in found if isinstance(each, ServiceError)]
    if not answers:
        raise next((each for each in errors if isinstance(each, BudgetExceeded)), errors[0])
    return answers, errors


def is_short(errors: Sequence[ServiceError]) -> bool:
    """Whether money was what was missing."""
    return any(isinstance(each, BudgetExceeded) for each in errors)


def allowed(standings: Sequence[Standing]) -> list[Standing]:
    """Those that may be asked. Raises BudgetExceeded or InvalidInput where there are none."""
    free = [each for each in standings if each.mask_reason is None]
    if free:
        return free
    reasons = "; ".join(f"{each.candidate_id}: {each.mask_reason}" for each in standings)
    if any(is_too_dear(each) for each in standings):
        raise BudgetExceeded(f"Nobody can be paid for. {reasons}.")
    raise InvalidInput(f"Nobody may be asked. {reasons}.", field="plan")


def is_too_dear(standing: Standing) -> bool:
    """Whether the budget alone, or among other reasons, keeps it from being asked."""
    return any(words in (standing.mask_reason or "") for words in TOO_DEAR)


def by_price(standings: Sequence[Standing]) -> list[Standing]:
    """Cheapest first; of those that cost the same, who is expected to be better."""
    return sorted(standings, key=lambda each: (each.price_usd, -(each.expected_quality or 0.0), each.candidate_id))


def shares(standings: Sequence[Standing], temperature: float) -> list[float]:
    """softmax(expected quality / temperature), in the order given; the router's probabilities where one is unknown."""
    expected = [each.expected_quality for each in standings]
    known = [each for each in expected if each is not None]
    if len(known) < len(expected):
        total = sum(each.probability for each in standings)
        return [each.probability / total if total else 1 / len(standings) for each in standings]
    highest = max(known)
    powers = [exp((each - highest) / temperature) for each in known]
    return [power / sum(powers) for power in powers]


def checked_share(value: float, name: str) -> float:
    """Raises InvalidInput where it is not in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InvalidInput(f"{name} is {value!r:.80}; it must be a number from 0 to 1.", field=name)
    return float(value)


def checked_count(value: int, name: str, *, least: int = 1, most: int = 16) -> int:
    """Raises InvalidInput where it is no whole number in the range."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidInput(f"{name} is {value!r}; it must be a whole number from {least} to {most}.", field=name)
    return value


def checked_number(value: float, name: str, *, what: str = "0 or more", least: float = 0.0) -> float:
    """Raises InvalidInput where it is no finite number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= float_info.max:
        raise InvalidInput(f"{name} is {value!r:.80}; it must be {what}.", field=name)
    return float(value)


def checked_name(value: str | None, name: str) -> str | None:
    """Raises InvalidInput where it is no candidate's id; None: none was named."""
    if value is not None and (not isinstance(value, str) or not value):
        raise InvalidInput(f"{name} is {value!r:.80}; it must be a candidate's id.", field=name)
    return value


def require_known(standings: Sequence[Standing], **option_to_name: str | None) -> None:
    """Raises InvalidInput for a candidate that there is not, before anybody is asked and paid."""
    known = sorted(each.candidate_id for each in standings)
    for option, name in option_to_name.items():
        if name is not None and name not in known:
            raise InvalidInput(f"{option} names {name!r}; known: {', '.join(known)}.", field=option)


def checked_names(value: Sequence[str], name: str) -> tuple[str, ...]:
    """Raises InvalidInput where it is no list of different names."""
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each for each in value):
        raise InvalidInput(f"{name} is {value!r}; it must be a list of candidates' ids.", field=name)
    if len(set(value)) < len(value):
        raise InvalidInput(f"{name} names somebody twice: {list(value)!r}.", field=name)
    return tuple(value)
