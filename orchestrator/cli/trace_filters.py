"""Which decisions a command is about: options that several commands share, and the filter that they make."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from functools import cache, wraps
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args, get_type_hints

import typer

from storage.records import OutcomeStatus

if TYPE_CHECKING:
    from storage.stores import Stores
    from storage.summary_records import SummaryFilter, SummaryStatus

STATUSES = (*(each for each in get_args(OutcomeStatus) if each != "judged"), "running")
CLOSE = "how much of score a close call was won or lost by, at most"


@dataclass(frozen=True, kw_only=True)
class TraceWish:
    """The options, as they were typed."""

    since: Annotated[str | None, typer.Option("--since", help="From then on: 2h, 7d, or 2026-03-01T12:00.")] = None
    until: Annotated[str | None, typer.Option("--until", help="Before then: 2h, 7d, or 2026-03-01T12:00.")] = None
    candidate: Annotated[str | None, typer.Option("--candidate", help="Only this candidate's.")] = None
    policy: Annotated[str | None, typer.Option("--policy", help="Only this policy's.")] = None
    task: Annotated[str | None, typer.Option("--task", help="Only this task's.")] = None
    status: Annotated[str | None, typer.Option("--status", help=f"Of the outcome: {', '.join(STATUSES)}.")] = None
    cost_over: Annotated[str | None, typer.Option("--cost-over", help="Only what cost more than so many USD.")] = None
    close_calls: Annotated[bool, typer.Option("--close-calls", help="Only what was nearly decided otherwise.")] = False
    margin: Annotated[float | None, typer.Option("--margin", min=0, help=f"With --close-calls: {CLOSE}.")] = None
    job: Annotated[str | None, typer.Option("--job", help="Only this job's.")] = None
    run: Annotated[str | None, typer.Option("--run", help="Only this run's.")] = None
    judged: Annotated[
        bool | None, typer.Option("--judged/--unjudged", help="Only what somebody judged, or nobody did.")
    ] = None

    @property
    def words(self) -> str:
        """The options as they could be typed again; empty: none was given."""
        given = [(each.name, getattr(self, each.name)) for each in fields(self)]
        return " ".join(_typed(name, value) for name, value in given if value != _default(name))

    async def filter(self, stores: Stores) -> SummaryFilter:
        """Raises InvalidInput for what cannot be read, RecordNotFound for an unknown job."""
        from orchestrator.ages import moment_of
        from storage.errors import InvalidInput
        from storage.records import utc_now
        from storage.summary_records import CLOSE_MARGIN, SummaryFilter

        if self.status is not None and self.status not in STATUSES:
            raise InvalidInput(f"No status {self.status!r:.40}; known: {', '.join(STATUSES)}.", field="status")
        if self.margin is not None and not self.close_calls:
            raise InvalidInput("--margin goes with --close-calls.", field="margin")
        if self.job is not None and self.run is not None:
            raise InvalidInput("--job and --run name two runs; give one of them.", field="job")
        now = utc_now()
        return SummaryFilter(
            run_id=self.run if self.job is None else (await stores.jobs.get(self.job)).run_id,
            candidate_id=self.candidate,
            policy=self.policy,
            task=self.task,
            status=cast("SummaryStatus | None", self.status),
            since=None if self.since is None else moment_of(self.since, now=now, field="since"),
            until=None if self.until is None else moment_of(self.until, now=now, field="until"),
            cost_over_usd=None if self.cost_over is None else _usd(self.cost_over),
            margin_under=(CLOSE_MARGIN if self.margin is None else self.margin) if self.close_calls else None,
            is_judged=self.judged,
        )


def with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command, whose first argument is a TraceWish, the wish's options in its place."""
    hints = get_type_hints(command, include_extras=True)
    first, *own = inspect.signature(command).parameters.values()
    options = _options()
    rest = [p.replace(annotation=hints[p.name], kind=inspect.Parameter.KEYWORD_ONLY) for p in own]

    @wraps(command)
    def filtered(**given: Any) -> None:
        wish = TraceWish(**{each.name: given.pop(each.name) for each in fields(TraceWish)})
        command(**{first.name: wish, **given})

    vars(filtered)["__signature__"] = inspect.Signature([*rest, *options])
    filtered.__annotations__ = {p.name: p.annotation for p in (*rest, *options)}
    del vars(filtered)["__wrapped__"]
    return filtered


@cache
def _options() -> tuple[inspect.Parameter, ...]:
    hints = get_type_hints(TraceWish, include_extras=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    return tuple(
        inspect.Parameter(each.name, kind, default=each.default, annotation=hints[each.name])
        for each in fields(TraceWish)
    )


def _default(name: str) -> object:
    return next(each.default for each in fields(TraceWish) if each.name == name)


def _typed(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"--{name.replace('_', '-')}" if value else f"--un{name}"
    return f"--{name.replace('_', '-')} {quote(str(value))}"


def _usd(text: str) -> Decimal:
    """Raises InvalidInput."""
    from storage.errors import InvalidInput

    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise InvalidInput(f"{text!r:.40} is no amount of USD; write it as 0.001.", field="cost_over")
    return amount
