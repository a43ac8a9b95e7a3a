"""Stored decisions made again: to the last bit where the state can be had, and with the reason where it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.bootstrap import bootstrap
from orchestrator.replay.decisions import replay_decisions
from orchestrator.replay.parts import parts_of
from orchestrator.replay.records import DecisionReplay
from orchestrator.service import Service
from storage.errors import InvalidInput, RecordNotFound
from storage.registry import open_stores
from tests.conftest import MakeService, answers, fails, scripted_settings
from tests.orchestrator.doubles import until
from tests.orchestrator.replay.replay_doubles import QUESTION, asked, decisions_in, parts_in
from tests.orchestrator.test_trained_routers import registered, router_files

LEARNING = ("table", "thompson", "linucb", "lints", "best_single")


async def replayed(service: Service, *ids: str, **changes: object) -> list[DecisionReplay]:
    return list((await replay_decisions(parts_in(service, **changes), ids)).decisions)


@pytest.mark.parametrize("policy", [*LEARNING, "uniform", "cheapest", "pheromone", "auto"])
async def test_decisions_with_lessons_in_between_are_equal_to_the_last_bit(
    make_service: MakeService, policy: str
) -> None:
    service = await make_service()
    ids = await asked(service, 12, policy=policy)
    await service.trails.flush()
    found = await replayed(service, *ids)
    assert [each.decision_id for each in found] == ids
    assert {(each.is_same, each.recomputed) for each in found} == {(True, "bit_equal")}


async def table_sha256(service: Service) -> str:
    """Of what the table has learned."""
    return (await service.route(QUESTION, policy="table")).policy_sha256


async def test_conditions_that_are_hidden_in_a_heuristic_are_told(make_service: MakeService) -> None:
    service = await make_service()
    ids = await asked(service, 12, policy="amro_paper")
    await service.trails.flush()
    found = await replayed(service, *ids)
    assert all(each.is_same for each in found)
    hidden = [each.reason for each in found if each.recomputed == "not_recomputed"]
    assert hidden
    assert all("its heuristic holds the candidates' conditions" in reason for reason in hidden)


async def test_after_a_restart_the_states_are_those_of_the_new_process(tmp_path: Path) -> None:
    settings = scripted_settings(store_url=f"sqlite:///{tmp_path / 'log.db'}")
    for _ in range(2):
        service = await bootstrap(settings)
        for policy in LEARNING:
            await asked(service, 4, policy=policy)
        await service.close()
    stores = await open_stores(settings.store_url)
    ids = [decision.id for decision in await decisions_in(stores)]
    found = await replay_decisions(parts_of(settings, stores), ids)
    await stores.close()
    assert dict(found.counts) == {"bit_equal": 40, "within_1e-6": 0, "differ": 0, "not_recomputed": 0}


async def test_states_are_found_where_two_processes_learned_from_each_other(tmp_path: Path) -> None:
    settings = scripted_settings(store_url=f"sqlite:///{tmp_path / 'log.db'}")
    services = [await bootstrap(settings) for _ in range(2)]
    for service in services:
        for policy in LEARNING:
            await asked(service, 3, policy=policy)
    before = [await table_sha256(service) for service in services]

    async def has_come() -> bool:
        return all([await table_sha256(service) != was for service, was in zip(services, before, strict=True)])

    await until(has_come)
    for service in services:
        await asked(service, 3, policy="linucb")
        await service.close()
    stores = await open_stores(settings.store_url)
    ids = [decision.id for decision in await decisions_in(stores)]
    found = await replay_decisions(parts_of(settings, stores), ids)
    await stores.close()
    assert dict(found.counts) == {"bit_equal": 36, "within_1e-6": 0, "differ": 0, "not_recomputed": 0}


async def test_attempt_after_a_failure_is_drawn_by_the_ranking_again(make_service: MakeService) -> None:
    service = await make_service(small=fails, large=answers)
    ids = [(await service.run(f"{QUESTION} {number}", policy="table")).decision_id for number in range(6)]
    run_id = next(each.run_id for each in await decisions_in(service.stores) if each.attempt == 2)
    found = await replayed(service, run_id, *ids)
    again = [each for each in found if each.attempt == 2]
    assert again[0].path[-1] == "ranking after a failure"
    assert {each.recomputed for each in found} == {"bit_equal"}


async def test_sessions_and_pacing_are_part_of_what_is_computed_again(make_service: MakeService) -> None:
    pacing = {"whole": {"allowance_usd": 1e-6, "period": "day"}}
    service = await make_service(pacing=pacing)
    ids = [
        (await service.run(f"{QUESTION} {number}", policy="thompson", session="one")).decision_id for number in range(8)
    ]
    found = await replayed(service, *ids)
    assert {each.recomputed for each in found} == {"bit_equal"}
    assert {"pacing", "session"} <= {rule for each in found for rule in each.path}


async def test_trained_router_is_asked_again_with_text_and_weights(make_service: MakeService, tmp_path: Path) -> None:
    stores = await open_stores("memory:")
    await registered(stores, router_files(tmp_path), "shadow", id="router_one")
    await stores.policy_versions.move("router_one", "active", reason="test")
    service = await make_service(stores=stores, policy="graph")
    run = await service.run(QUESTION, weights={"quality": 1.0, "cost": 0.4})
    [found] = await replayed(service, run.decision_id)
    assert (found.policy_version, found.recomputed) == ("router_one", "bit_equal")

    decision = await stores.decisions.get(run.decision_id)
    await stores.payloads.erase(decision.payload_id)
    [erased] = await replayed(service, run.decision_id)
    assert (erased.is_same, erased.recomputed, erased.reason) == (True, "not_recomputed", "its text was erased")


async def test_changed_settings_are_told_as_a_difference(make_service: MakeService) -> None:
    service = await make_service()
    [id] = await asked(service, 1, policy="cheapest")
    dear = {"provider": "scripted", "price_input_usd_per_mtok": "50", "price_output_usd_per_mtok": "50"}
    cheap = {"provider": "scripted", "price_input_usd_per_mtok": "10", "price_output_usd_per_mtok": "20"}
    [found] = await replayed(service, id, models={"small": dear, "large": cheap})
    assert (found.is_same_action, found.is_same, found.recomputed) == (True, False, "differ")
    assert "were the settings, candidates or prices changed since?" in found.reason


async def test_state_that_the_log_does_not_give_is_told(make_service: MakeService) -> None:
    service = await make_service()
    await asked(service, 4, policy="table")
    service.nodes.router.learn(  # a lesson that stands nowhere
        (await decisions_in(service.stores))[0],
        (await service.stores.decisions.rewarded(limit=1))[0].reward,
    )
    [late] = await asked(service, 1, policy="table")
    [found] = await replayed(service, late)
    assert (found.is_same, found.recomputed) == (True, "not_recomputed")
    assert "no state that its process's policies can have been in" in found.reason


async def test_ids_that_are_not_there_are_refused(make_service: MakeService) -> None:
    service = await make_service()
    [id] = await asked(service, 1)
    parts = parts_in(service)
    with pytest.raises(RecordNotFound, match="No decision 'decision_nope'"):
        await replay_decisions(parts, ["decision_nope"])
    with pytest.raises(RecordNotFound, match="No run 'run_nope'"):
        await replay_decisions(parts, ["run_nope"])
    with pytest.raises(InvalidInput, match="neither a decision's id nor a run's"):
        await replay_decisions(parts, ["\x1b[31mred"])
    with pytest.raises(InvalidInput, match="Nothing to replay"):
        await replay_decisions(parts, [])
    with pytest.raises(RecordNotFound, match="No decision"):
        await replay_decisions(parts, [id], tenant="somebody else")
