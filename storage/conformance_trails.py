"""What every store of trails owes; part of the suite in storage.conformance."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from storage.errors import InvalidInput
from storage.records import Payload, new_id
from storage.stores import Stores
from storage.trail_forms import MOST_EMBEDDING_BYTES, snapshot_of
from storage.trail_records import TrailEvent

MEMORY = "pheromone"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EMBEDDING = bytes(range(64))
HOSTILE = "π \x00 \ud800 '; DROP TABLE trail_events; -- </svg>\u202e"


def a_deposit(decision_id: str | None = None, **changes: object) -> TrailEvent:
    """A lesson of a decision of its own; change the rest by name."""
    event = TrailEvent(
        memory=MEMORY,
        mixture={"sql": 0.75, "mathe": 0.25},
        stage="solve",
        candidate_id="single_turn/small",
        utility=0.62,
        quality=1.0,
        cost_usd=1.9e-05,
        latency_seconds=0.4,
        weight=0.5,
        tenant="acme",
        principal="alice",
        judged_by="verifier",
        decision_id=decision_id or new_id("decision"),
        body={"n": 3, "flags": [True, None, 1.5]},
        at=NOON,
    )
    return replace(event, **changes)  # type: ignore[arg-type]  # fields by name, checked by use


async def remembered(stores: Stores, text: str = "How many rows?") -> tuple[Payload, TrailEvent]:
    """A text and a deposit with its embedding, both stored."""
    payload = Payload.of(text)
    await stores.journal.write(payload)
    [event] = await stores.trails.append([a_deposit(payload_id=payload.id, embedding=EMBEDDING)])
    return payload, event


async def positions_of(stores: Stores, memory: str = MEMORY) -> list[int]:
    return [event.position for event in await stores.trails.events(memory)]


class TrailEventConformance:
    """An event is read back as it came, in order, once."""

    async def test_an_event_of_a_trail_is_read_back_as_it_was_appended(self, stores: Stores) -> None:
        given = [a_deposit(), a_deposit(kind="restart", decision_id=None, candidate_id=None), a_deposit(kind="tasks")]
        stored = await stores.trails.append(given)
        assert stored == [replace(event, position=place) for place, event in enumerate(given, start=1)]
        assert await stores.trails.events(MEMORY) == stored

    async def test_a_deposit_of_a_decision_is_applied_once_a_memory(self, stores: Stores) -> None:
        first, again = a_deposit("decision_1"), a_deposit("decision_1", utility=0.1)
        other = a_deposit("decision_1", memory="other")
        assert await stores.trails.append([first, again, other]) == [
            replace(first, position=1),
            replace(other, position=2),
        ]
        assert await stores.trails.append([replace(again, id=new_id("trail"))]) == []
        assert await stores.trails.known_decisions(MEMORY, ["decision_1", "decision_2"]) == {"decision_1"}
        assert await positions_of(stores) == [1]

    async def test_only_deposits_are_bound_to_one_a_decision(self, stores: Stores) -> None:
        resets = [a_deposit("decision_1", kind="reset"), a_deposit("decision_1", kind="reset")]
        nobodys = [a_deposit(decision_id=None), a_deposit(decision_id=None)]
        without = [replace(event, decision_id=None) for event in nobodys]
        assert len(await stores.trails.append([*resets, *without])) == 4
        assert await stores.trails.known_decisions(MEMORY, ["decision_1"]) == set()

    async def test_an_event_that_was_written_before_is_left_out_and_another_under_its_id_refused(
        self, stores: Stores
    ) -> None:
        reset = a_deposit(kind="reset", decision_id=None)
        await stores.trails.append([reset])
        assert await stores.trails.append([reset, reset]) == []
        with pytest.raises(InvalidInput, match="written before with other content"):
            await stores.trails.append([a_deposit(), replace(reset, stage="other")])
        assert await positions_of(stores) == [1]

    async def test_nothing_to_append_is_no_error(self, stores: Stores) -> None:
        assert await stores.trails.append([]) == []
        assert await stores.trails.events("nobody") == []
        assert await stores.trails.snapshot("nobody") is None
        assert await stores.trails.known_decisions("nobody", []) == set()

    async def test_events_come_in_pages_of_one_memory(self, stores: Stores) -> None:
        await stores.trails.append([a_deposit(memory=("one", "two")[i % 2]) for i in range(10)])
        first = await stores.trails.events("two", limit=2)
        assert [event.position for event in first] == [2, 4]
        following = await stores.trails.events("two", after_position=4)
        assert [event.position for event in following] == [6, 8, 10]

    async def test_events_until_a_moment_leave_out_what_is_later(self, stores: Stores) -> None:
        await stores.trails.append([a_deposit(at=NOON + timedelta(hours=hours)) for hours in (0, 2, 1)])
        until = await stores.trails.events(MEMORY, until=NOON + timedelta(hours=1))
        assert [event.position for event in until] == [1, 3]

    async def test_hostile_text_in_a_trail_comes_back_unchanged(self, stores: Stores) -> None:
        hostile = a_deposit(stage=HOSTILE, candidate_id=HOSTILE, mixture={HOSTILE: 1.0}, principal=HOSTILE)
        [stored] = await stores.trails.append([hostile])
        assert await stores.trails.events(MEMORY) == [stored] == [replace(hostile, position=1)]

    async def test_events_that_could_not_be_read_back_are_refused_and_none_is_written(self, stores: Stores) -> None:
        refused = {
            "memory": a_deposit(memory="\x00"),
            "id": a_deposit(id=""),
            "decision_id": a_deposit("d" * 1001),
            "kind": a_deposit(kind="rumour"),
            "utility": a_deposit(utility=1.5),
            "weight": a_deposit(weight=float("nan")),
            "cost_usd": a_deposit(cost_usd=-1.0),
            "payload_id": a_deposit(embedding=EMBEDDING),
            "embedding": a_deposit(payload_id="payload_1", embedding=bytes(MOST_EMBEDDING_BYTES + 1)),
            "body": a_deposit(body={"what": object()}),
            "at": a_deposit(at=datetime(2026, 3, 1)),  # has no zone
        }
        for field, event in refused.items():
            with pytest.raises(InvalidInput) as caught:
                await stores.trails.append([a_deposit(), event])
            assert caught.value.field == field
        assert await positions_of(stores) == []

    async def test_many_who_append_at_once_lose_nothing_and_take_no_place_twice(self, stores: Stores) -> None:
        batches = [[a_deposit(f"decision_{(i * 7 + j) % 40}") for j in range(5)] for i in range(20)]
        added = await asyncio.gather(*(stores.trails.append(batch) for batch in batches))
        stored = await stores.trails.events(MEMORY)
        assert [event.position for event in stored] == list(range(1, len(stored) + 1))
        assert len(stored) == len({event.decision_id for batch in batches for event in batch})
        assert sorted(event.position for batch in added for event in batch) == [event.position for event in stored]


class TrailErasureConformance:
    """Erasing a text removes every embedding of it; the event stays."""

    async def test_erasing_a_text_removes_its_embedding_and_tells_each_memory(self, stores: Stores) -> None:
        payload, event = await remembered(stores)
        [other] = await stores.trails.append([a_deposit(memory="other", payload_id=payload.id, embedding=b"two")])
        _, kept = await remembered(stores, "Another text.")
        assert (await stores.trails.events(MEMORY))[0].embedding == EMBEDDING
        erased = await stores.payloads.erase(payload.id)
        mine, stays, told = await stores.trails.events(MEMORY)
        assert (mine, stays) == (replace(event, embedding=None), kept)
        assert (told.kind, told.payload_id, told.at) == ("erased", payload.id, erased.erased_at)
        assert [e.kind for e in await stores.trails.events("other")] == ["deposit", "erased"]
        assert (await stores.trails.events("other"))[0] == replace(other, embedding=None)
        await stores.payloads.erase(payload.id)
        assert len(await stores.trails.events(MEMORY)) == 3  # a second call changes nothing

    async def test_an_embedding_of_a_text_that_is_gone_or_was_never_here_is_not_kept(self, stores: Stores) -> None:
        payload, _ = await remembered(stores)
        await stores.payloads.erase(payload.id)
        late, unknown = (a_deposit(payload_id=text, embedding=EMBEDDING) for text in (payload.id, "payload_none"))
        added = await stores.trails.append([late, unknown])
        assert [event.embedding for event in added] == [None, None]
        assert (await stores.trails.events(MEMORY))[-2:] == added

    async def test_snapshots_that_may_hold_an_erased_embedding_go_with_it(self, stores: Stores) -> None:
        await stores.trails.append([a_deposit()])
        await stores.trails.put_snapshot(snapshot_of(MEMORY, 1, {"before": 1}))
        payload, event = await remembered(stores)
        await stores.trails.put_snapshot(snapshot_of(MEMORY, event.position, {"holds": "it"}))
        await stores.payloads.erase(payload.id)
        kept = await stores.trails.snapshot(MEMORY)
        assert kept is not None
        assert kept.state == {"before": 1}
        await stores.trails.put_snapshot(snapshot_of(MEMORY, event.position, {"holds": "it"}))  # made before, came late
        assert await stores.trails.snapshot(MEMORY) == kept
        after = snapshot_of(MEMORY, event.position + 1, {"holds": "nothing"})
        await stores.trails.put_snapshot(after)
        assert await stores.trails.snapshot(MEMORY) == after

    async def test_a_text_without_embedding_leaves_the_trails_as_they_are(self, stores: Stores) -> None:
        payload = Payload.of("Never embedded.")
        await stores.journal.write(payload)
        await stores.trails.append([a_deposit(payload_id=payload.id)])
        await stores.payloads.erase(payload.id)
        assert [event.kind for event in await stores.trails.events(MEMORY)] == ["deposit"]


class TrailSnapshotConformance:
    """A state is read back as it was saved, the latest first."""

    async def test_the_latest_snapshot_counts_or_the_latest_until_a_moment(self, stores: Stores) -> None:
        given = [
            snapshot_of(MEMORY, position, {"π": [position, 0.1, None, "漢字"]}, at=NOON + timedelta(hours=position))
            for position in (2, 1, 3)
        ]
        for each in (*given, snapshot_of("other", 9, {})):
            await stores.trails.put_snapshot(each)
        assert await stores.trails.snapshot(MEMORY) == given[2]
        assert await stores.trails.snapshot(MEMORY, until=NOON + timedelta(hours=2)) == given[0]
        assert await stores.trails.snapshot(MEMORY, until=NOON) is None

    async def test_of_many_snapshots_the_newest_stay_and_older_ones_here_and_there(self, stores: Stores) -> None:
        given = [1, 2, 5_000, 10_001, 10_002, 25_000, 25_001, 25_002, 25_003, 25_004]
        for position in given:
            at = NOON + timedelta(seconds=position)
            await stores.trails.put_snapshot(snapshot_of(MEMORY, position, {"at": position}, at=at))
            await stores.trails.put_snapshot(snapshot_of("other", position, {}, at=at))
        found = [await stores.trails.snapshot(MEMORY, until=NOON + timedelta(seconds=position)) for position in given]
        assert [each.position if each else None for each in found] == [
            *[1, 1, 1],
            *[10_001, 10_001],
            *[25_000, 25_001, 25_002, 25_003, 25_004],
        ]

    async def test_a_second_snapshot_of_one_position_changes_nothing(self, stores: Stores) -> None:
        first = snapshot_of(MEMORY, 4, {"who": "first"})
        await stores.trails.put_snapshot(first)
        await stores.trails.put_snapshot(snapshot_of(MEMORY, 4, {"who": "second"}))
        assert await stores.trails.snapshot(MEMORY) == first

    async def test_a_state_that_its_digest_does_not_fit_is_refused(self, stores: Stores) -> None:
        with pytest.raises(InvalidInput, match="another digest"):
            await stores.trails.put_snapshot(replace(snapshot_of(MEMORY, 1, {}), state={"forged": True}))
        with pytest.raises(InvalidInput, match="cannot be negative"):
            await stores.trails.put_snapshot(snapshot_of(MEMORY, -1, {}))
        assert await stores.trails.snapshot(MEMORY) is None


class TrailConformance(TrailEventConformance, TrailErasureConformance, TrailSnapshotConformance):
    """All of it."""
