"""What would have put another candidate first: single changes, each one tried on the stored terms before it is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from orchestrator.texts import printable
from routing.chances import TIE_TOLERANCE
from routing.forecasts import Reference
from routing.policies.graph_neural import COST, ENERGY, LATENCY, QUALITY, UNKNOWN_ARM
from routing.router import TRAINED
from storage.records import Assessment, Decision

NEAR_RIVALS = 3  # that changes are looked for
MOST_TIMES = 10.0  # a weight is not raised beyond so many times what it was
MOST_OVERSHOOT = 0.1  # of a change: a told figure goes beyond the least one that does it by no more than this
MOST_DIGITS = 9
NAME_CHARACTERS = 40
WOULD = " would have scored best "
OTHER = "other"  # what a stored score holds beyond its terms
PACING = "pacing"  # a price on cost, of those alone who are allowed

WEIGHT_TO_TERMS = {  # a weight's name to the terms that it scales
    "quality": (QUALITY, UNKNOWN_ARM),
    "cost": (COST,),
    "latency": (LATENCY,),
    "energy": (ENERGY,),
}
AMOUNTS = {COST: "expected cost", LATENCY: "expected time", ENERGY: "expected energy"}
PENALTIES = {
    "load": "for its load",
    "response_time": "for its response time",
    "errors": "for its errors",
    "energy": "for its energy",
    "cold_start": "for its cold start",
    PACING: "to pace spending",
}
BONUSES = {
    "exploration_bonus": "the bonus for having been tried seldom",
    "session": "the bonus for having the conversation already",
}

Terms = Mapping[str, Mapping[str, float]]  # candidate id to a term's name to its value


@dataclass(frozen=True, kw_only=True)
class Flip:
    """One change that would have made another candidate the best."""

    candidate_id: str
    gap: float  # of score that it lacked
    words: str  # in one sentence, with figures


@dataclass(frozen=True, kw_only=True)
class _Way:
    """A change: how far it goes, as a share of what there was, and its words."""

    size: float
    words: str


@dataclass(frozen=True, kw_only=True)
class _Rival:
    """Who lacks how much of score against the best one."""

    candidate_id: str
    best_id: str
    gap: float


def flips_of(decision: Decision, *, reference: Reference | None = None) -> tuple[Flip, ...]:
    """Nearest rivals first; of each the least change of every sort.

    `reference`: of the trained router that chose, for amounts in dollars, seconds and joules in place of percents.
    """
    terms = {a.candidate_id: terms_of(a) for a in decision.assessments if a.mask_reason is None}
    found = [flip for rival in _rivals(terms) for flip in _of(rival, terms, decision, reference)]
    return (*found, *_if_allowed(decision, terms))


def terms_of(assessment: Assessment) -> dict[str, float]:
    """The contributions; with one more where they do not sum to the stored score."""
    terms = dict(assessment.contributions)
    rest = assessment.score - sum(terms.values())
    return {**terms, OTHER: rest} if abs(rest) > TIE_TOLERANCE else terms


def leads(terms: Terms, candidate_id: str) -> bool:
    """Whether its score is above everybody else's by more than what counts as a tie."""
    score = sum(terms[candidate_id].values())
    return all(score > sum(each.values()) + TIE_TOLERANCE for id, each in terms.items() if id != candidate_id)


def short_name(candidate_id: str) -> str:
    """Harmless in a terminal, and not longer than a line can take."""
    name = printable(candidate_id)
    return name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 1]}…"


def _rivals(terms: Terms) -> list[_Rival]:
    """Those whose score is below the best one's, nearest first."""
    scores = {id: sum(each.values()) for id, each in terms.items()}
    best_id = max(scores, key=lambda id: scores[id], default="")
    rivals = [
        _Rival(candidate_id=id, best_id=best_id, gap=scores[best_id] - score)
        for id, score in scores.items()
        if scores[best_id] - score > TIE_TOLERANCE
    ]
    return sorted(rivals, key=lambda rival: (rival.gap, rival.candidate_id))[:NEAR_RIVALS]


def _of(rival: _Rival, terms: Terms, decision: Decision, reference: Reference | None) -> Iterator[Flip]:
    kinds = (
        _by_weight(rival, terms, decision),
        _by_amount(rival, terms, decision, reference),
        _by_quality(rival, terms, decision),
        _by_price(rival, terms),
        _by_absence(rival, terms),
        _by_score(rival, terms),
    )
    for ways in kinds:
        way = min(ways, key=lambda way: way.size, default=None)
        if way is not None:
            name = short_name(rival.candidate_id)
            yield Flip(candidate_id=rival.candidate_id, gap=rival.gap, words=f"{name}{WOULD}{way.words}.")


def _by_weight(rival: _Rival, terms: Terms, decision: Decision) -> Iterator[_Way]:
    if decision.policy != TRAINED:
        return
    for name, scaled in WEIGHT_TO_TERMS.items():
        weight = decision.weights.get(name, 0.0)
        threshold = _least_weight(rival.candidate_id, terms, scaled, weight) if weight > 0 else None
        if threshold is None:
            continue
        text = _figure_past(threshold, weight, _Weighed(rival.candidate_id, terms, scaled, weight))
        if text is not None and (float(text) or _others_weigh(decision, name)):
            size = abs(float(text) - weight) / weight
            yield _Way(size=size, words=f"with the {name} weight at {text} instead of {weight:g}")


def _others_weigh(decision: Decision, name: str) -> bool:
    """A weight may be 0 where another one is not."""
    return any(value > 0 for other, value in decision.weights.items() if other != name)


@dataclass(frozen=True)
class _Weighed:
    """Whether the candidate leads once the weight is another one."""

    candidate_id: str
    terms: Terms
    scaled: tuple[str, ...]
    weight: float

    def __call__(self, value: float) -> bool:
        changed = {
            id: {name: part * value / self.weight if name in self.scaled else part for name, part in each.items()}
            for id, each in self.terms.items()
        }
        return 0.0 <= value <= MOST_TIMES * self.weight and leads(changed, self.candidate_id)


def _least_weight(candidate_id: str, terms: Terms, scaled: tuple[str, ...], weight: float) -> float | None:
    """The end, nearest to the weight, of the weights with which the candidate leads; None: it does with none.

    Against each other one, with x = new over old weight: D + (x - 1) d > 0, where D is the difference of the scores and
    d that of the scaled terms.
    """
    low, high = 0.0, MOST_TIMES
    own, own_scaled = sum(terms[candidate_id].values()), _sum(terms[candidate_id], scaled)
    for id, each in terms.items():
        if id == candidate_id:
            continue
        lead, slope = own - sum(each.values()), own_scaled - _sum(each, scaled)
        if slope > 0:
            low = max(low, 1.0 - lead / slope)
        elif slope < 0:
            high = min(high, 1.0 - lead / slope)
        elif lead <= 0:
            return None
    if low >= high:
        return None
    return (low if low >= 1.0 else high) * weight


def _sum(parts: Mapping[str, float], names: tuple[str, ...]) -> float:
    return sum(parts.get(name, 0.0) for name in names)


def _by_amount(rival: _Rival, terms: Terms, decision: Decision, reference: Reference | None) -> Iterator[_Way]:
    """What the trained router expected it to take, if it were less."""
    if decision.policy != TRAINED:
        return
    own = terms[rival.candidate_id]
    for name, words in AMOUNTS.items():
        if -own.get(name, 0.0) > rival.gap:
            size = rival.gap / -own[name]
            yield from _less(_Less(rival, terms, name, words, size), _unit(name, reference), decision)


def _by_quality(rival: _Rival, terms: Terms, decision: Decision) -> Iterator[_Way]:
    """Not where its weight is 1: then it is the same as more of score."""
    own, weight = terms[rival.candidate_id], decision.weights.get("quality", 0.0)
    if decision.policy != TRAINED or QUALITY not in own or weight in (0.0, 1.0):
        return
    text = _figure_past(rival.gap / weight, 0.0, lambda more: _with(terms, rival, QUALITY, more * weight))
    if text is not None and own[QUALITY] / weight + float(text) <= 1.0:
        yield _Way(size=float(text), words=f"if its expected quality were {text} higher")


@dataclass(frozen=True)
class _Less:
    """A rival's term of an amount, and the share of the amount that would have to go."""

    rival: _Rival
    terms: Terms
    name: str
    words: str
    share: float


def _less(wish: _Less, unit: tuple[str, str, float] | None, decision: Decision) -> Iterator[_Way]:
    amount = -wish.terms[wish.rival.candidate_id][wish.name]
    before, after, scale = unit or ("", "%", 100.0 / amount)
    if unit is not None:  # dollars, seconds or joules for one unit of score
        scale = unit[2] / decision.weights.get(
            {COST: "cost", LATENCY: "latency", ENERGY: "energy"}[wish.name], math.nan
        )
    text = _figure_past(
        wish.rival.gap * scale, 0.0, lambda less: _with(wish.terms, wish.rival, wish.name, less / scale)
    )
    if text is not None and float(text) / scale <= amount:
        yield _Way(size=wish.share, words=f"if its {wish.words} were {before}{text}{after} lower")


def _unit(name: str, reference: Reference | None) -> tuple[str, str, float] | None:
    """What stands before and after the figure, and how much the reference is."""
    if reference is None:
        return None
    before, after, amount = {
        COST: ("$", "", reference.cost_usd),
        LATENCY: ("", " s", reference.latency_seconds),
        ENERGY: ("", " J", reference.energy_joules),
    }[name]
    return (before, after, amount) if amount else None


def _by_price(rival: _Rival, terms: Terms) -> Iterator[_Way]:
    """Of the policy that looks at the price of a usual call alone."""
    price = -terms[rival.candidate_id].get("price", 0.0)
    text = _figure_past(rival.gap, 0.0, lambda less: _with(terms, rival, "price", less)) if price > 0 else None
    if text is not None and float(text) <= price:
        yield _Way(size=float(text) / price, words=f"if a usual call of it cost ${text} less")


def _by_absence(rival: _Rival, terms: Terms) -> Iterator[_Way]:
    """Without something that was taken off its score, or that the best one was given."""
    for name, words in PENALTIES.items():
        taken_off = -terms[rival.candidate_id].get(name, 0.0)
        if taken_off > 0 and leads(_without(terms, rival.candidate_id, name), rival.candidate_id):
            yield _Way(size=taken_off, words=f"without the {taken_off:.3f} that was taken off {words}")
    for name, words in BONUSES.items():
        given = terms[rival.best_id].get(name, 0.0)
        if given > 0 and leads(_without(terms, rival.best_id, name), rival.candidate_id):
            yield _Way(size=given, words=f"had {short_name(rival.best_id)} not got {words}, {given:.3f}")


def _by_score(rival: _Rival, terms: Terms) -> Iterator[_Way]:
    """Not where the score is a price: then that says it."""
    if "price" in terms[rival.candidate_id]:
        return
    text = _figure_past(rival.gap, 0.0, lambda more: _with(terms, rival, OTHER, more))
    if text is not None:
        yield _Way(size=rival.gap, words=f"with {text} more of score")


def _if_allowed(decision: Decision, terms: Terms) -> Iterator[Flip]:
    """Who would have been best but for the mask; not while a price is on the cost of those alone who are allowed."""
    if not terms or any(PACING in each for each in terms.values()):
        return
    masked = sorted((a for a in decision.assessments if a.mask_reason is not None), key=lambda a: -a.score)
    better = (a for a in masked if leads({**terms, a.candidate_id: terms_of(a)}, a.candidate_id))
    for assessment in islice(better, NEAR_RIVALS):
        words = f"{short_name(assessment.candidate_id)}{WOULD}had it not been masked."
        yield Flip(candidate_id=assessment.candidate_id, gap=0.0, words=words)


def _with(terms: Terms, rival: _Rival, name: str, more: float) -> bool:
    """Whether the rival leads with so much more of this term."""
    own = terms[rival.candidate_id]
    return leads({**terms, rival.candidate_id: {**own, name: own.get(name, 0.0) + more}}, rival.candidate_id)


def _without(terms: Terms, candidate_id: str, name: str) -> Terms:
    return {**terms, candidate_id: {other: part for other, part in terms[candidate_id].items() if other != name}}


def _figure_past(threshold: float, start: float, does: Callable[[float], bool]) -> str | None:
    """The shortest figure beyond the threshold, seen from `start`, that does it as it is printed; None: none does."""
    onward = 1 if threshold >= start else -1
    for digits in range(MOST_DIGITS + 1):
        step = 10.0**-digits
        rounded = math.ceil(threshold / step) if onward > 0 else math.floor(threshold / step)
        for place in (rounded, rounded + onward):
            text = f"{place * step:.{digits}f}"
            overshoot = abs(float(text) - threshold)
            if overshoot <= MOST_OVERSHOOT * abs(threshold - start) and does(float(text)):
                return text
    return None
