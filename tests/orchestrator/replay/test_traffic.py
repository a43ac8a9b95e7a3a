"""Stored traffic through other routers: what it would have cost, how good it may have been, and what cannot be said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from shutil import copyfile

import pytest

from orchestrator.bootstrap import bootstrap
from orchestrator.errors import DeadlineExceeded
from orchestrator.replay.parts import ReplayParts, parts_of
from orchestrator.replay.records import TrafficFilter
from orchestrator.replay.traffic import TrafficOptions, compare, replay_traffic
from routing.artifacts import MANIFEST_FILE, WEIGHTS_FILE
from routing.errors import ArtifactRefused
from routing.evaluation.off_policy import OffPolicy, Refusal
from storage.errors import InvalidInput
from storage.records import utc_now
from storage.registry import open_stores
from tests.conftest import MakeService, answers, fails, scripted_settings
from tests.orchestrator.replay.replay_doubles import asked, decisions_in, parts_in
from tests.orchestrator.test_trained_routers import Files, registered, resigned, router_files, with_huge_amounts

EVERYTHING = TrafficFilter()
FOLDERS = TrafficOptions(may_read_folders=True)


@pytest.fixture(scope="module")
def made_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 decisions by chance, 96 of them judged, and a trained router in the registry."""
    folder = tmp_path_factory.mktemp("log")

    async def made() -> None:
        stores = await open_stores(f"sqlite:///{folder / 'log.db'}")
        await registered(stores, router_files(folder), "shadow", id="router_one")
        service = await bootstrap(scripted_settings(), stores=stores)
        await asked(service, 120)
        await service.close()

    asyncio.run(made())
    return folder / "log.db"


@pytest.fixture
def own_log(made_log: Path, tmp_path: Path) -> Path:
    """A copy that belongs to one test."""
    return Path(copyfile(made_log, tmp_path / "copy.db"))


@pytest.fixture
async def parts(own_log: Path) -> AsyncIterator[ReplayParts]:
    stores = await open_stores(f"sqlite:///{own_log}")
    yield parts_of(scripted_settings(), stores)
    await stores.close()


def written(files: Files, folder: Path) -> str:
    folder.mkdir()
    for name in (WEIGHTS_FILE, MANIFEST_FILE):
        (folder / name).write_bytes(files[name])
    return str(folder)


async def test_policy_that_was_logged_does_the_same_again(parts: ReplayParts) -> None:
    found = await replay_traffic(parts, "uniform", EVERYTHING)
    assert (found.changed, found.switches, found.router.switched) == (0, (), 0)
    assert found.router.total_cost_usd == found.logged.total_cost_usd
    assert found.router.cost_sources == {"logged": 120}
    assert isinstance(found.router.quality, OffPolicy)
    assert found.router.quality.support.mean_weight == pytest.approx(1.0)
    assert found.router.quality.ips.value == pytest.approx(found.logged.observed_quality)


async def test_costs_of_others_are_means_of_the_log_and_say_so(parts: ReplayParts) -> None:
    found = await replay_traffic(parts, "cheapest", EVERYTHING)
    assert found.router.total_cost_usd < found.logged.total_cost_usd
    assert found.router.shares["small"] > 0.9
    assert set(found.router.cost_sources) == {"logged", "task_mean"}
    assert sum(found.router.cost_sources.values()) == 120
    switched = {(switch.from_id, switch.to_id): switch.count for switch in found.switches}
    assert sum(switched.values()) == found.changed == found.router.switched
    assert found.switches[0].cost_change_usd < 0


async def test_estimates_find_the_better_candidate_and_stay_near_the_truth(parts: ReplayParts) -> None:
    cheap = await replay_traffic(parts, "cheapest", EVERYTHING)
    [best, chance] = cheap.references
    assert isinstance(cheap.router.quality, OffPolicy)
    assert isinstance(best.quality, OffPolicy)
    assert best.shares == {"large": 1.0}
    assert best.quality.snips.value == pytest.approx(0.83, abs=0.03)
    assert cheap.router.quality.snips.value == pytest.approx(0.44, abs=0.03)
    assert cheap.router.quality.dr is not None
    low, high = cheap.router.quality.dr.bootstrap.low, cheap.router.quality.dr.bootstrap.high
    assert low < cheap.router.quality.dr.value < high
    assert chance.router.name == "random"


async def test_regret_is_against_the_best_by_the_same_model(parts: ReplayParts) -> None:
    parts = replace(parts, weights=replace(parts.weights, cost=0.0))
    found = await replay_traffic(parts, "cheapest", EVERYTHING)
    [best, _] = found.references
    assert best.regret == pytest.approx(0.0)
    assert found.router.regret is not None
    assert found.logged.regret is not None
    assert found.router.regret > found.logged.regret > 0


async def test_policy_that_learns_knows_at_each_decision_what_came_before(parts: ReplayParts) -> None:
    early = await replay_traffic(
        parts, "thompson", TrafficFilter(until=(await decisions_in(parts.stores))[30].decided_at)
    )
    late = await replay_traffic(parts, "thompson", TrafficFilter(limit=30))
    assert (early.traffic.replayed, late.traffic.replayed) == (30, 30)
    assert early.router.router.sha256 != late.router.router.sha256
    assert late.router.shares["large"] > early.router.shares["large"]


async def test_changes_are_the_largest_ones_first_and_cut(parts: ReplayParts) -> None:
    found = await replay_traffic(parts, "cheapest", EVERYTHING, TrafficOptions(changes=5))
    sizes = [abs(change.utility_change or 0.0) for change in found.changes]
    assert len(sizes) == 5 < found.changed
    assert sizes == sorted(sizes, reverse=True)


async def test_what_the_log_never_did_is_not_estimated(make_service: MakeService) -> None:
    service = await make_service()
    for number in range(60):
        run = await service.run(f"question {number}", candidate="small")
        await service.feedback(run.decision_id, quality=0.5)
    found = await replay_traffic(parts_in(service), "uniform", EVERYTHING)
    assert found.router.shares == {"small": 1.0}  # the caller's choice was a mask, and stays one
    wide = await make_service()
    await asked(wide, 60, policy="cheapest")
    found = await replay_traffic(parts_in(wide), "uniform", EVERYTHING)
    assert isinstance(found.router.quality, Refusal | OffPolicy)
    assert found.router.quality.support.effective_sample_size < 30
    assert isinstance(found.router.quality, Refusal)


async def test_without_verdicts_there_is_cost_and_no_word_on_quality(make_service: MakeService) -> None:
    service = await make_service()
    await asked(service, 10, judged=False)
    found = await replay_traffic(parts_in(service), "cheapest", EVERYTHING)
    assert (found.router.quality, found.router.expected_quality, found.router.regret) == (None, None, None)
    assert found.model == "none: nothing in this traffic was judged"
    assert found.router.cost_usd > 0


async def test_left_out_decisions_are_counted_by_reason(make_service: MakeService) -> None:
    service = await make_service(small=fails, large=answers)
    await asked(service, 20, judged=False)
    found = await replay_traffic(parts_in(service), "table", TrafficFilter(limit=15))
    traffic = found.traffic
    assert traffic.found == traffic.replayed + sum(traffic.excluded.values())
    assert any("a further attempt after a failure" in reason for reason in traffic.excluded)
    assert (traffic.is_cut, traffic.replayed) == (True, 15)
    assert len(traffic.log_sha256) == 64


async def test_filters_take_what_they_say(parts: ReplayParts) -> None:
    decisions = await decisions_in(parts.stores)
    only = await replay_traffic(parts, "uniform", TrafficFilter(candidate_id="large"))
    assert only.logged.shares == {"large": 1.0}
    since = await replay_traffic(parts, "uniform", TrafficFilter(since=decisions[100].decided_at))
    assert since.traffic.replayed == 20
    with pytest.raises(InvalidInput, match="No stored decision fits"):
        await replay_traffic(parts, "uniform", TrafficFilter(tenant="somebody else"))
    with pytest.raises(InvalidInput, match="No stored decision fits"):
        await replay_traffic(parts, "uniform", TrafficFilter(since=utc_now() + timedelta(days=1)))
    with pytest.raises(InvalidInput, match="not before `until`"):
        await replay_traffic(parts, "uniform", TrafficFilter(since=utc_now(), until=utc_now() - timedelta(days=1)))
    with pytest.raises(InvalidInput, match="`limit` is 0"):
        await replay_traffic(parts, "uniform", TrafficFilter(limit=0))


async def test_empty_log_is_told(make_service: MakeService) -> None:
    with pytest.raises(InvalidInput, match="the log is empty"):
        await replay_traffic(parts_in(await make_service()), "uniform", EVERYTHING)


async def test_unknown_router_is_told_with_those_that_are_known(parts: ReplayParts) -> None:
    with pytest.raises(InvalidInput, match="No router 'thomson'; did you mean 'thompson'"):
        await replay_traffic(parts, "thomson", EVERYTHING)
    with pytest.raises(InvalidInput, match="name one of them"):
        await replay_traffic(parts, "auto", EVERYTHING)
    with pytest.raises(InvalidInput, match="none is"):
        await replay_traffic(parts, "graph", EVERYTHING)


async def test_trained_router_tells_expected_costs_and_its_digest(parts: ReplayParts) -> None:
    found = await replay_traffic(parts, "router_one", EVERYTHING)
    assert found.router.router.kind == "version"
    assert found.router.router.encoder
    assert set(found.router.cost_sources) <= {"logged", "cost_head"}
    assert found.model.startswith("what the trained router expects")
    assert any("times the cost that was logged" in note for note in found.notes)


async def test_erased_texts_are_left_out_where_a_router_must_read_them(parts: ReplayParts) -> None:
    [first, *_] = await decisions_in(parts.stores)
    await parts.stores.payloads.erase(first.payload_id)
    found = await replay_traffic(parts, "router_one", EVERYTHING)
    assert found.traffic.excluded == {"the query's text was erased": 1}
    assert (await replay_traffic(parts, "table", EVERYTHING)).traffic.excluded == {}


async def test_forecasts_that_are_no_numbers_leave_nothing_and_say_so(parts: ReplayParts, tmp_path: Path) -> None:
    folder = written(with_huge_amounts(router_files(tmp_path / "more")), tmp_path / "huge")
    with pytest.raises(InvalidInput, match="the router's forecast is not a number"):
        await replay_traffic(parts, folder, EVERYTHING, FOLDERS)


async def test_router_of_strangers_knows_nobody(parts: ReplayParts, tmp_path: Path) -> None:
    folder = written(router_files(tmp_path / "more", ids=("x", "y")), tmp_path / "strangers")
    with pytest.raises(InvalidInput, match="the router knows none of the candidates"):
        await replay_traffic(parts, folder, EVERYTHING, FOLDERS)


async def test_router_of_another_encoder_is_refused_with_the_fix(parts: ReplayParts, tmp_path: Path) -> None:
    folder = written(resigned(router_files(tmp_path / "more"), encoder="hub:some/other"), tmp_path / "other")
    with pytest.raises(ArtifactRefused, match="was trained with encoder 'hub:some/other'"):
        await replay_traffic(parts, folder, EVERYTHING, FOLDERS)


async def test_folders_are_not_read_unless_allowed(parts: ReplayParts, tmp_path: Path) -> None:
    folder = written(router_files(tmp_path / "more"), tmp_path / "router")
    assert (await replay_traffic(parts, folder, EVERYTHING, FOLDERS)).router.router.kind == "folder"
    with pytest.raises(InvalidInput, match="No router"):
        await replay_traffic(parts, folder, EVERYTHING)


async def test_two_routers_are_set_beside_each_other_on_the_same_decisions(parts: ReplayParts) -> None:
    found = await compare(parts, "router_one", "uniform", EVERYTHING)
    assert found.first.traffic == found.second.traffic
    assert found.first.logged.total_cost_usd == found.second.logged.total_cost_usd
    assert found.first.model == found.second.model  # who forecasts nothing is seen by the trained one's model
    assert found.changed == sum(switch.count for switch in found.switches)
    same = await compare(parts, "uniform", "uniform", EVERYTHING)
    assert (same.changed, same.switches, same.changes) == (0, (), ())


async def test_replay_that_takes_too_long_says_how_to_take_less(parts: ReplayParts) -> None:
    with pytest.raises(DeadlineExceeded, match="of 120 decisions were replayed within 0 s"):
        await replay_traffic(parts, "uniform", EVERYTHING, TrafficOptions(seconds=0.0))


async def test_record_that_does_not_fit_itself_is_left_out(make_service: MakeService) -> None:
    service = await make_service()
    await asked(service, 3)
    [decision, *_] = await decisions_in(service.stores)
    masked = tuple(replace(each, mask_reason="too dear") for each in decision.assessments)
    odd = replace(decision, id="decision_odd", assessments=masked)
    outcome = (await service.stores.decisions.outcomes_of(decision.id))[0]
    told = replace(outcome, id="outcome_odd", decision_id=odd.id)
    await service.stores.journal.write(odd, told)
    found = await replay_traffic(parts_in(service), "uniform", EVERYTHING)
    assert found.traffic.replayed == 3
    assert any("does not fit itself" in reason for reason in found.traffic.excluded)
