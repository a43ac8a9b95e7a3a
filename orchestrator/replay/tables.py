"""Replays in words and tables, for a terminal and for the page alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.replay.records import Change, Comparison, DecisionReplay, Replays, Standing, Switch, TrafficReplay
from orchestrator.texts import printable
from routing.evaluation.off_policy import Estimate, OffPolicy, Refusal

TIME = "%Y-%m-%d %H:%M:%S"
MOST_ROWS = 20  # of switches and changes in a terminal
RECOMPUTED_WORDS = {
    "bit_equal": "equal to the last bit",
    "within_1e-6": "equal within 1e-6",
    "differ": "DIFFERENT",
    "not_recomputed": "not recomputed",
}
SOURCE_WORDS = {
    "logged": "logged",
    "cost_head": "expected by the trained router",
    "task_mean": "mean of the candidate on the task",
    "candidate_mean": "mean of the candidate",
    "worst_case": "share of the worst case",
}


@dataclass(frozen=True, kw_only=True)
class Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def replay_lines(replays: Replays) -> Iterator[str]:
    """One part a decision; of several, a summary at the end."""
    for place, found in enumerate(replays.decisions):
        if place:
            yield ""
        yield from _decision_lines(found)
    if len(replays.decisions) > 1:
        yield ""
        counts = ", ".join(f"{count} {RECOMPUTED_WORDS[name]}" for name, count in replays.counts.items() if count)
        same = sum(each.is_same_action for each in replays.decisions)
        yield f"{same} of {len(replays.decisions)} with the same action; scores and probabilities: {counts}"


def _decision_lines(found: DecisionReplay) -> Iterator[str]:
    yield f"decision    {printable(found.decision_id)}, attempt {found.attempt} of {printable(found.run_id)}"
    yield f"decided     {found.decided_at.astimezone():{TIME}}"
    yield f"path        {printable(' → '.join(found.path))}"
    yield f"state       {printable(found.policy_version)} {found.policy_sha256[:12]}"
    drawn = f"Philox({found.rng_seed}, {found.rng_counter}) picks {_name(found.redrawn_id)}"
    stored = "the same" if found.is_same_action else f"NOT THE SAME: stored is {_name(found.candidate_id)}"
    yield f"action      {drawn}: {stored}"
    for fault in found.faults:
        yield f"FAULT       {printable(fault)}"
    size = "" if not found.largest_difference else f", at most {found.largest_difference:.3g} apart"
    reason = f": {printable(found.reason)}" if found.reason else ""
    yield f"scores      {RECOMPUTED_WORDS[found.recomputed]}{size}{reason}"
    for each in found.candidates:
        again = "" if each.again_score is None else f"   again {each.again_score:+.6f} {each.again_probability:.6f}"
        yield f"  {_name(each.candidate_id):<32} score {each.score:+.6f} p {each.probability:.6f}{again}"


def traffic_lines(found: TrafficReplay) -> Iterator[str]:
    """What was replayed, and in one sentence each what came of it."""
    traffic, router = found.traffic, found.router
    yield headline(found)
    yield f"router      {_router(router)}"
    yield f"traffic     {traffic.replayed} of {traffic.found} decisions, {traffic.judged} of them judged"
    yield f"log         events {traffic.first_position} to {traffic.last_position}, sha256 {traffic.log_sha256[:16]}"
    if traffic.is_cut:
        yield f"  left out  all that are older than these: more than {traffic.wanted.limit} fit (--limit)"
    for reason, count in traffic.excluded.items():
        yield f"  left out  {count}: {printable(reason)}"
    yield f"costs       {sources(router)}"
    yield f"model       {found.model}"
    yield f"quality     {quality_words(router.quality)}"
    for note in found.notes:
        yield f"note        {printable(note)}"


def headline(found: TrafficReplay) -> str:
    """The cost beside what was paid, and how many decisions would have fallen otherwise."""
    router, logged = found.router, found.logged
    change = f" ({router.cost_usd / logged.cost_usd - 1:+.1%})" if logged.cost_usd else ""
    return (
        f"{printable(router.router.name)}: ${router.total_cost_usd:.6f} where ${logged.total_cost_usd:.6f} were paid"
        f"{change}; {router.switched} of {found.traffic.replayed} decisions go to another candidate"
    )


def traffic_tables(found: TrafficReplay) -> Iterator[Table]:
    yield standings_table([found.router, found.logged, *found.references])
    if found.switches:
        yield switches_table(found.switches, title="Who takes whose place", most=MOST_ROWS)
    if found.changes:
        yield changes_table(found.changes, title=f"Largest of {found.changed} changes", most=MOST_ROWS)


def comparison_lines(found: Comparison) -> Iterator[str]:
    yield from traffic_lines(found.first)
    yield ""
    yield headline(found.second)
    yield f"router      {_router(found.second.router)}"
    yield f"costs       {sources(found.second.router)}"
    yield f"quality     {quality_words(found.second.router.quality)}"
    yield f"between     {found.changed} of {found.first.traffic.replayed} decisions fall otherwise with the second one"
    for note in (*found.second.notes, *found.notes):
        yield f"note        {printable(note)}"


def comparison_tables(found: Comparison) -> Iterator[Table]:
    first, second = found.first, found.second
    yield standings_table([first.router, second.router, first.logged, *first.references])
    if found.switches:
        yield switches_table(found.switches, title="From the first one's candidate to the second's", most=MOST_ROWS)
    if found.changes:
        yield changes_table(found.changes, title=f"Largest of {found.changed} differences", most=MOST_ROWS)


def standings_table(standings: Sequence[Standing]) -> Table:
    columns = ["router", "cost a decision", "expected quality", "regret", "IPS", "SNIPS", "DR", "effective", "switched"]
    return Table(title="Side by side", columns=columns, rows=[_standing_row(each) for each in standings])


def switches_table(switches: Sequence[Switch], *, title: str, most: int | None = None) -> Table:
    rows = [[_name(s.from_id), _name(s.to_id), str(s.count), f"{s.cost_change_usd:+.6f}"] for s in switches[:most]]
    return Table(title=title, columns=["from", "to", "decisions", "USD"], rows=rows)


def changes_table(changes: Sequence[Change], *, title: str, most: int | None = None) -> Table:
    columns = ["decision", "decided", "task", "from", "to", "USD", "cost is", "quality", "utility"]
    rows = [
        [
            each.decision_id,
            each.decided_at.astimezone().strftime(TIME),
            printable(each.task),
            f"{_name(each.from_id)} ({each.from_probability:.2f})",
            f"{_name(each.to_id)} ({each.to_probability:.2f})",
            f"{each.cost_change_usd:+.6f}",
            SOURCE_WORDS[each.cost_source],
            _signed(each.quality_change),
            _signed(each.utility_change),
        ]
        for each in changes[:most]
    ]
    return Table(title=title, columns=columns, rows=rows)


def quality_words(found: OffPolicy | Refusal | None) -> str:
    """The best estimate there is, with its interval; or why there is none."""
    if found is None:
        return "no estimate: nothing in this traffic was judged"
    if isinstance(found, Refusal):
        return f"no estimate: {found.reason}"
    best, name = (found.snips, "SNIPS") if found.dr is None else (found.dr, "doubly robust")
    support = found.support
    span = f"{best.bootstrap.low:.4f} to {best.bootstrap.high:.4f}"
    return (
        f"{best.value:.4f} ({span}, 95 %), {name}; the {support.decisions} judged decisions are worth "
        f"{support.effective_sample_size:.0f} of its own, mean weight {support.mean_weight:.2f}"
    )


def sources(standing: Standing) -> str:
    """Where the costs are from."""
    words: Mapping[str, str] = SOURCE_WORDS
    return ", ".join(f"{count} {words[source]}" for source, count in standing.cost_sources.items())


def _standing_row(standing: Standing) -> list[str]:
    found = standing.quality
    estimates = (found.ips, found.snips, found.dr) if isinstance(found, OffPolicy) else (None, None, None)
    return [
        printable(standing.router.name),
        f"${standing.cost_usd:.8f}",
        _number(standing.expected_quality),
        _number(standing.regret),
        *map(_estimate, estimates),
        "-" if found is None else f"{found.support.effective_sample_size:.0f}",
        str(standing.switched),
    ]


def _estimate(found: Estimate | None) -> str:
    return "-" if found is None else f"{found.value:.4f} ({found.bootstrap.low:.3f} to {found.bootstrap.high:.3f})"


def _router(standing: Standing) -> str:
    router = standing.router
    digest = f", sha256 {router.sha256[:16]}" if router.sha256 else ""
    encoder = f", encoder {printable(router.encoder)}" if router.encoder else ""
    note = f" ({router.note})" if router.note else ""
    return f"{router.kind} {printable(router.name)} {printable(router.version)}{digest}{encoder}{note}"


def _name(candidate_id: str | None) -> str:
    return "nobody" if candidate_id is None else printable(candidate_id)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"
