"""A decision in words and bars: who was masked and why, what counted, how close it was, what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from orchestrator.explain_layout import BAD, BOLD, FAINT, GOOD, NOTED, bar, cell, cells_of, labelled, line, wrapped
from orchestrator.explain_router import router_lines
from orchestrator.explain_skills import skill_lines
from orchestrator.explanation import Considered, Explanation, Verdict, explanation_of
from orchestrator.explanation_flips import WOULD
from orchestrator.reading import Attempt
from orchestrator.texts import printable
from storage.budget_records import RESOURCES
from storage.money import dollars, quantity
from storage.records import Decision, Outcome

if TYPE_CHECKING:
    from rich.text import Text

WIDTH = 120  # columns, where nobody says another
BAR_WIDTH = 10
INDENT = 4
FIGURES = 2 + 5 + 1 + BAR_WIDTH + 1 + 8 + 2  # columns of a candidate's line beside its name and its terms
VERDICT_TO_STYLE: dict[Verdict, str] = {"nobody": BAD, "exploration": NOTED, "level": NOTED, "close": NOTED}


def explain(attempt: Attempt, *, width: int = WIDTH) -> list[str]:
    """The lines that answer: why this one?"""
    return [each.plain.rstrip() for each in explanation_lines(explanation_of(attempt), width=width)]


def explanation_lines(explanation: Explanation, *, width: int = WIDTH) -> list[Text]:
    """The same with styles, for a terminal of so many columns."""
    decision = explanation.decision
    place = f"(run {decision.run_id}, step '{decision.step}', attempt {decision.attempt})"
    return [
        *(line((each, BOLD)) for each in wrapped(printable(f"{decision.id}  {place}"), width)),
        *(
            line((each, VERDICT_TO_STYLE.get(explanation.verdict, GOOD)))
            for each in wrapped(explanation.headline, width)
        ),
        line(),
        *_task(decision, width),
        *router_lines(decision, width=width),
        *_allowed(explanation, width),
        *_masked(explanation, width),
        *_flips(explanation, width),
        *skill_lines(decision, width=width),
        *_money(explanation, width),
        *chain.from_iterable(outcome_lines(outcome, width=width) for outcome in explanation.outcomes),
        *chain.from_iterable(
            labelled("Reward", f"{reward.value:.3f}, learned by every policy", width=width)
            for reward in explanation.rewards
        ),
    ]


def outcome_lines(outcome: Outcome, *, width: int) -> list[Text]:
    """What happened, or what was judged."""
    quality = "not judged yet" if outcome.quality is None else f"quality {outcome.quality:.2f} by {outcome.judged_by}"
    if outcome.status == "judged":
        return labelled("Verdict", quality, width=width)
    tokens = f"{outcome.usage.input + outcome.usage.cache_read} tokens in, {outcome.usage.output} out"
    words = f"{outcome.status} in {outcome.latency_seconds:.2f} s, {tokens}, {dollars(outcome.cost_usd)}; {quality}"
    style = "" if outcome.status == "succeeded" else BAD
    lines = labelled("Outcome", words, width=width, style=style)
    if outcome.error_code:
        said = printable(f"{outcome.error_code}: {outcome.error_message}")
        lines += labelled("", said, width=width, style=BAD)
    return lines


def _task(decision: Decision, width: int) -> list[Text]:
    likeliest = sorted(decision.task_mixture.items(), key=lambda item: -item[1])[:3]
    mixture = ", ".join(f"{task} {share:.2f}" for task, share in likeliest)
    return labelled("Task", printable(f"{mixture}   (encoder {decision.encoder})"), width=width)


def _allowed(explanation: Explanation, width: int) -> Iterator[Text]:
    """A line each; the terms stand beside it where all fit, else below."""
    if not explanation.allowed:
        return
    names = [each.candidate_id for each in explanation.allowed]
    name_width = cells_of(names, most=max(width - FIGURES, 16), least=8)
    sums = [_sum(each) for each in explanation.allowed]
    is_beside = max(map(len, sums)) <= width - name_width - FIGURES
    yield line(
        (f"{'Allowed':<{name_width + 4}}", BOLD), (f"{'chance':<{BAR_WIDTH + 7}}", FAINT), (f"{'score':>8}", FAINT)
    )
    for each, text in zip(explanation.allowed, sums, strict=True):
        style = GOOD if each.is_chosen else ""
        row = line(
            ("→ " if each.is_chosen else "  ", style),
            (cell(each.candidate_id, name_width), style),
            f"  {each.probability:.3f} ",
            (bar(each.probability, BAR_WIDTH), style),
            f" {_signed(each.score):>8}",
        )
        yield row.append(f"  {text}") if is_beside else row
        if not is_beside:
            yield from (line(" " * INDENT, (part, FAINT)) for part in wrapped(text, width - INDENT))


def _sum(considered: Considered) -> str:
    """The terms that count for anything, the largest first."""
    parts = ", ".join(f"{term.name} {_signed(term.value)}" for term in considered.terms if term.value)
    return f"= {printable(parts)}" if parts else ""


def _signed(value: float) -> str:
    """Three decimals, or two digits of what would be nothing with three."""
    return f"{value:+.3f}" if not value or abs(value) >= 0.0005 else f"{value:+.2g}"


def _masked(explanation: Explanation, width: int) -> Iterator[Text]:
    if not explanation.masked:
        return
    yield line(("Masked", BOLD))
    name_width = cells_of([each.candidate_id for each in explanation.masked], most=max(width // 3, 16), least=8)
    for each in explanation.masked:
        first, *rest = wrapped(printable(each.mask_reason or ""), width - name_width - 4)
        yield line("  ", (cell(each.candidate_id, name_width), FAINT), f"  {first}")
        yield from (line(" " * (name_width + 4), part) for part in rest)


def _flips(explanation: Explanation, width: int) -> Iterator[Text]:
    """What would have put another first; a rival's ways stand together."""
    before = None
    for place, flip in enumerate(explanation.flips):
        words = flip.words
        if flip.candidate_id == before and WOULD in words:
            words = f"… or {words.split(WOULD, 1)[1]}"
        yield from labelled("" if place else "Otherwise", words, width=width)
        before = flip.candidate_id


def _money(explanation: Explanation, width: int) -> Iterator[Text]:
    money, decision = explanation.money, explanation.decision
    held, spent = f"{dollars(money.held_usd)} held", f"{dollars(money.spent_usd)} spent"
    words = f"{dollars(money.before_usd)} before, {held}, {spent}, {dollars(money.after_usd)} after"
    if money.held_usd > money.before_usd:  # what was there bounds what is held, where there is a limit
        words = f"no limit in USD; {held}, {spent}"
    yield from labelled("Budget", words, width=width)
    if decision.resources_reserved:
        yield from labelled("", _resources(decision), width=width)
    state = decision.policy_sha256[:12]
    random = f"Philox seed {decision.rng_seed}, counter {decision.rng_counter}; policy state {state}"
    yield from labelled("Random", random, width=width)


def _resources(decision: Decision) -> str:
    """What was held of tokens, seconds and joules, and of how much, where they are limited."""
    texts = []
    for name in RESOURCES:
        if held := decision.resources_reserved.get(name):
            before = decision.resources_before.get(name)
            of = "" if before is None else f" of {quantity(name, before)}"
            texts.append(f"{quantity(name, held)}{of}")
    return f"and {', '.join(texts)} held" if texts else "and nothing else held"
