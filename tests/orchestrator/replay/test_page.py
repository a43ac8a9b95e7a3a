"""The report of a replay: one file that fetches and runs nothing, whatever candidates are called."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from orchestrator.replay.page import comparison_page, traffic_page
from orchestrator.replay.records import TrafficFilter, TrafficReplay
from orchestrator.replay.tables import comparison_lines, replay_lines, traffic_lines, traffic_tables
from orchestrator.replay.traffic import compare, replay_traffic
from orchestrator.replay.views import comparison_of, comparison_view, replays_of, replays_view, traffic_of, traffic_view
from orchestrator.service import Service
from tests.conftest import MakeService
from tests.orchestrator.replay.replay_doubles import asked, parts_in

EVIL = "</td><script>alert(1)</script>\x1b[31m"


@pytest.fixture
async def service(make_service: MakeService) -> Service:
    made = await make_service()
    await asked(made, 20)
    return made


@pytest.fixture
async def found(service: Service) -> TrafficReplay:
    return await replay_traffic(parts_in(service), "cheapest", TrafficFilter())


def test_page_runs_and_fetches_nothing(found: TrafficReplay) -> None:
    page = traffic_page(found)
    assert not re.search(r"<script|<link|<img|\son\w+=|https?:|url\(", page)
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    assert found.traffic.log_sha256 in page


def test_strangers_names_stay_text_on_page_and_terminal(found: TrafficReplay) -> None:
    switch, change = replace(found.switches[0], to_id=EVIL), replace(found.changes[0], to_id=EVIL, task=EVIL)
    router = replace(found.router, shares={EVIL: 1.0}, router=replace(found.router.router, name=EVIL))
    evil = replace(found, switches=(switch,), changes=(change,), router=router)
    assert "<script" not in traffic_page(evil)
    assert "&lt;script&gt;" in traffic_page(evil)
    assert "\x1b" not in "\n".join(traffic_lines(evil))
    assert not any("\x1b" in cell for table in traffic_tables(evil) for row in table.rows for cell in row)


async def test_comparison_shows_both(service: Service) -> None:
    both = await compare(parts_in(service), "cheapest", "uniform", TrafficFilter())
    page = comparison_page(both)
    assert "cheapest and uniform" in page
    assert any(line.startswith("between") for line in comparison_lines(both))


async def test_replays_come_back_from_json_as_they_were(service: Service, found: TrafficReplay) -> None:
    assert traffic_of(traffic_view(found)) == found
    both = await compare(parts_in(service), "cheapest", "uniform", TrafficFilter())
    assert comparison_of(comparison_view(both)) == both
    [id] = await asked(service, 1)
    from orchestrator.replay.decisions import replay_decisions

    again = await replay_decisions(parts_in(service), [id])
    assert replays_of(replays_view(again)) == again
    assert "action" in "\n".join(replay_lines(again))
