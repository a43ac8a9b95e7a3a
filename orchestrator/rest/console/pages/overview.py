"""The first page: how much, for how much money, how well, by whom, and what needs somebody's eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import HTMLResponse

from orchestrator.rest.console.alerts import alerts_of
from orchestrator.rest.console.charts.bars import Bar, bars
from orchestrator.rest.console.charts.lines import Line, Point, lines
from orchestrator.rest.console.door import ROOT
from orchestrator.rest.console.filters import count, decimals, dollars, duration, share
from orchestrator.rest.console.page import page
from orchestrator.rest.console.periods import HOURS_A_DAY, PERIODS, Period, PeriodName, slot_hours_for, slots_of
from orchestrator.rest.console.savings import savings_of
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.inspect import service_of
from storage.records import TokenUsage, utc_now
from storage.stores import SummaryStore
from storage.summaries import key_text
from storage.summary_records import CLOSE_MARGIN, Totals, TotalsFilter

router = APIRouter(include_in_schema=False)

CATCH_UP_SECONDS = 0.1
MOST_CANDIDATES = 20
NOBODY = "nobody was allowed"
JUDGE_COMMAND = """curl http://127.0.0.1:8765/v1/decisions/DECISION_ID/outcomes \\
  -H 'content-type: application/json' -d '{"quality": 1.0}'"""


@router.get(ROOT)
async def overview(request: Request, period: PeriodName = "24h") -> HTMLResponse:
    """Figures are of the tenant that the one who looks sees; they may be some seconds behind the log."""
    service, chosen, now = service_of(request), PERIODS[period], utc_now()
    since, tenant = chosen.since(now), identity_of(request).sees
    progress = await service.stores.summaries.catch_up(seconds=CATCH_UP_SECONDS)
    wanted = TotalsFilter(by="candidate", since=since, tenant=tenant)
    by_candidate = await service.stores.summaries.totals(wanted)
    whole = summed(by_candidate)
    cards = {key_text(each.id): each.card for each in service.nodes.candidates.values()}
    values = {
        "period": chosen,
        "periods": tuple(PERIODS.values()),
        "progress": progress,
        "whole": whole,
        "latency": whole.latency_seconds / ran if (ran := whole.succeeded + whole.failed) else None,
        "savings": savings_of(by_candidate, cards),
        "shares": _shares(by_candidate, whole),
        "hidden": max(0, len(by_candidate) - MOST_CANDIDATES),
        "links": _links(since),
        "close_margin": CLOSE_MARGIN,
        "judge_command": JUDGE_COMMAND,
        "alerts": await alerts_of(request, since),
        **await _over_time(service.stores.summaries, wanted, chosen, now),
    }
    return page(request, "overview.html", active="overview", values=values)


def summed(totals: Sequence[Totals]) -> Totals:
    """All groups as one."""
    return Totals(
        key="",
        **{
            name: sum(getattr(each, name) for each in totals)
            for name in ("decisions", "succeeded", "failed", "unanswered", "close_calls", "judged")
        },
        quality_sum=sum(each.quality_sum for each in totals),
        cost_usd=sum((each.cost_usd for each in totals), Decimal(0)),
        latency_seconds=sum(each.latency_seconds for each in totals),
        usage=sum((each.usage for each in totals), TokenUsage()),
    )


def _shares(totals: Sequence[Totals], whole: Totals) -> Markup:
    ordered = sorted(totals, key=lambda each: (-each.decisions, each.key))[:MOST_CANDIDATES]
    rows = [
        Bar(
            name=each.key or NOBODY,
            value=each.decisions,
            text=f"{share(each.decisions / whole.decisions)} · {dollars(each.cost_usd)}",
            kind="s0" if each.key else "bad",
            about=f"{count(each.decisions)} decisions, {count(each.failed)} failed, mean judged quality "
            f"{decimals(each.quality)} of {count(each.judged)}",
        )
        for each in ordered
    ]
    return bars(rows, label="Decisions by candidate", most=whole.decisions) if rows else Markup("")


async def _over_time(store: SummaryStore, wanted: TotalsFilter, period: Period, now: datetime) -> dict[str, Any]:
    """Lines over the slots; of all that there is, the slots are as long as it takes."""
    hours = period.slot_hours
    totals = await store.totals(replace(wanted, by="time", slot_hours=hours))
    if wanted.since is None and totals:
        hours = slot_hours_for(datetime.fromisoformat(totals[0].key), now=now)
        if hours != period.slot_hours:
            totals = await store.totals(replace(wanted, by="time", slot_hours=hours))
    slots = slots_of(totals, slot_hours=hours, since=wanted.since, now=now)
    spend = [Point(at=each.at, value=float(each.totals.cost_usd) if each.totals else 0.0) for each in slots]
    made = [Point(at=each.at, value=each.totals.decisions if each.totals else 0) for each in slots]
    judged = [Point(at=each.at, value=each.totals.quality if each.totals else None) for each in slots]
    taken = [Point(at=each.at, value=_seconds(each.totals)) for each in slots]
    return {
        "slot_words": _each(hours),
        "spend_line": _line("Spend", spend, dollars),
        "decision_line": _line("Decisions", made, count),
        "quality_line": _line("Mean judged quality", judged, _quality, most=1.0),
        "latency_line": _line("Mean latency", taken, duration),
    }


def _each(hours: int) -> str:
    """Of a line's points, in words."""
    if hours % HOURS_A_DAY:
        return "each hour" if hours == 1 else f"every {hours} hours"
    days = hours // HOURS_A_DAY
    return "each day" if days == 1 else f"every {days} days"


def _line(name: str, points: Sequence[Point], figure: Any, *, most: float | None = None) -> Markup:
    label = f"{name} over time"
    return lines([Line(name=name, points=tuple(points))], label=label, figure=figure, most=most)


def _quality(value: float) -> str:
    return decimals(value, 2)


def _seconds(totals: Totals | None) -> float | None:
    ran = totals.succeeded + totals.failed if totals else 0
    return totals.latency_seconds / ran if totals and ran else None


def _links(since: datetime | None) -> dict[str, str]:
    """Where the list of decisions shows what a figure counts."""
    common = {} if since is None else {"since": since.strftime("%Y-%m-%dT%H:%M")}
    return {
        name: f"{ROOT}/decisions?{urlencode({**more, **common})}"
        for name, more in {
            "all": {},
            "failed": {"status": "failed"},
            "close": {"close": "yes"},
        }.items()
    }
