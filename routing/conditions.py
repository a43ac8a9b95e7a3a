"""How candidates are just now, as penalties of their scores: load, response time, errors, energy, cold start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from routing.base import Condition, Context
from storage.errors import InvalidInput

CLIPPED = 0.05  # share of the values at either end that is drawn in before the least and the greatest are taken
LEAST_COLD_START_SECONDS = 1.0  # of a model that is not loaded, where nobody said how long that takes
LEAST_RELATIVE_SPAN = 0.1  # of the greatest value: what differs by less does so by chance


@dataclass(frozen=True, kw_only=True)
class ConditionWeights:
    """The most that each can take off a score, in units of reward; 0: it is not looked at."""

    load: float = 0.05
    response_time: float = 0.03
    errors: float = 0.05
    energy: float = 0.03
    cold_start: float = 0.05

    def __post_init__(self) -> None:
        for name, weight in asdict(self).items():
            if not 0.0 <= weight <= 1.0:
                raise InvalidInput(f"The weight of {name!r} is {weight!r}; it must lie in [0, 1].", field=name)


DEFAULT_WEIGHTS = ConditionWeights()


@dataclass(frozen=True, kw_only=True)
class _Kind:
    value: Callable[[Condition], float | None]  # None: not known
    least_span: float  # in the value's unit: a smaller spread takes off less than the whole weight


def _cold_start_seconds(condition: Condition) -> float:
    return 0.0 if condition.is_warm else max(condition.cold_start_seconds, LEAST_COLD_START_SECONDS)


_KINDS: Mapping[str, _Kind] = {
    "load": _Kind(value=lambda condition: float(condition.load), least_span=4.0),
    "response_time": _Kind(value=lambda condition: condition.response_seconds, least_span=1.0),
    "errors": _Kind(value=lambda condition: condition.error_share, least_span=0.5),
    "energy": _Kind(value=lambda condition: condition.joules, least_span=0.0),
    "cold_start": _Kind(value=_cold_start_seconds, least_span=1.0),
}

CONDITIONS = tuple(_KINDS)  # names of the contributions, in the order in which they are summed


def penalties(
    arms: Sequence[str], context: Context, weights: ConditionWeights = DEFAULT_WEIGHTS
) -> list[dict[str, float]]:
    """For each arm the named contributions to its score, each in [-weight, 0]; empty where no condition is known.

    AMRO-S (arXiv:2603.12933) puts load and response time into its heuristic as windowed min-max after quantile
    clipping; here the values themselves are normalised, not their inverses, over all options of the query, so that
    what is masked changes nothing. POLAR prices the loading of a cold model, GreenServ energy. An arm of which a value
    is not known gets the median of the others. Penalties that the context brings along are taken as they are.
    """
    if (given := context.arm_to_penalties) is not None:
        return [{name: given[arm][name] for name in _KINDS if name in given.get(arm, {})} for arm in arms]
    conditions = context.arm_to_condition
    parts: list[dict[str, float]] = [{} for _ in arms]
    if not conditions:
        return parts
    for name, weight in vars(weights).items():
        kind = _KINDS[name]
        known = sorted(value for c in conditions.values() if (value := kind.value(c)) is not None)
        if not weight or not known:
            continue
        low, high = _quantile(known, CLIPPED), _quantile(known, 1.0 - CLIPPED)
        if high <= low:  # all alike: nothing tells them apart
            continue
        span = max(high - low, kind.least_span, LEAST_RELATIVE_SPAN * high)
        middle = _quantile(known, 0.5)
        for arm, part in zip(arms, parts, strict=True):
            condition = conditions.get(arm)
            value = kind.value(condition) if condition is not None else None
            clipped = min(max(middle if value is None else value, low), high)
            part[name] = -weight * (clipped - low) / span
    return parts


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Linear between neighbours, as numpy's default; a few floats are quicker without it."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
