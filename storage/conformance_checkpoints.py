"""What every store of signed checkpoints owes, and every log that they are made of; part of storage.conformance."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from storage.checkpoint_forms import digest_of, endorsed_text, signed_text
from storage.checkpoint_records import AuditCheckpoint, Head, SigningKey
from storage.conformance_records import a_decision, a_payload, an_outcome
from storage.errors import InvalidInput, RecordNotFound, VersionConflict
from storage.signing import Signer
from storage.stores import Stores

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST, SECOND = Signer(b"1" * 32), Signer(b"2" * 32)


def a_signing_key(signer: Signer, *, after: Signer | None = None, at: datetime = NOON) -> SigningKey:
    """The signer's public key, endorsed by the signer before it."""
    key = SigningKey(
        key_id=signer.key_id,
        public_key=signer.public_key,
        created_at=at,
        previous_key_id=None if after is None else after.key_id,
    )
    return key if after is None else replace(key, endorsement=after.sign(endorsed_text(key)))


def a_checkpoint(after: AuditCheckpoint | None, *, grown: int = 5, signer: Signer = FIRST) -> AuditCheckpoint:
    """The next one, over so many events more; its root is made up."""
    number = 1 if after is None else after.number + 1
    checkpoint = AuditCheckpoint(
        number=number,
        tree_size=grown + (0 if after is None else after.tree_size),
        root_hash=f"{number:064x}",
        heads=(Head(writer="π", seq=number, chain_hash=f"{number + 1:064x}"),),
        previous_sha256="" if after is None else digest_of(after),
        signed_at=NOON,
        key_id=signer.key_id,
    )
    return replace(checkpoint, signature=signer.sign(signed_text(checkpoint)))


async def with_checkpoints(stores: Stores, count: int) -> list[AuditCheckpoint]:
    """A key, and so many checkpoints of five events each."""
    await stores.checkpoints.put_key(a_signing_key(FIRST))
    made: list[AuditCheckpoint] = []
    for _ in range(count):
        made.append(await stores.checkpoints.append(a_checkpoint(made[-1] if made else None)))
    return made


class CheckpointConformance:
    """Checkpoints follow from each other, and nothing of them is ever changed."""

    async def test_checkpoints_are_read_back_equal_and_in_order(self, stores: Stores) -> None:
        assert (await stores.checkpoints.latest(), await stores.checkpoints.checkpoints()) == (None, [])
        made = await with_checkpoints(stores, 4)
        assert await stores.checkpoints.latest() == made[-1]
        assert await stores.checkpoints.checkpoints() == made
        assert await stores.checkpoints.checkpoints(after_number=1, limit=2) == made[1:3]
        assert await stores.checkpoints.get(3) == made[2]
        for unknown in (0, 5):
            with pytest.raises(RecordNotFound, match=f"No checkpoint {unknown}"):
                await stores.checkpoints.get(unknown)

    async def test_the_first_checkpoint_that_holds_an_event_is_found(self, stores: Stores) -> None:
        made = await with_checkpoints(stores, 3)
        for position, expected in ((1, made[0]), (5, made[0]), (6, made[1]), (15, made[2]), (16, None)):
            assert await stores.checkpoints.covering(position) == expected

    async def test_a_number_is_signed_once(self, stores: Stores) -> None:
        [first] = await with_checkpoints(stores, 1)
        other = replace(a_checkpoint(first), root_hash="ff" * 32)
        answers = await asyncio.gather(
            *(stores.checkpoints.append(each) for each in (a_checkpoint(first), other)), return_exceptions=True
        )
        assert sum(isinstance(answer, VersionConflict) for answer in answers) == 1
        assert len(await stores.checkpoints.checkpoints()) == 2

    @pytest.mark.parametrize(
        "change", [{"number": 3}, {"tree_size": 5}, {"tree_size": 4}, {"previous_sha256": ""}], ids=str
    )
    async def test_a_checkpoint_that_does_not_follow_is_refused(
        self, stores: Stores, change: dict[str, object]
    ) -> None:
        [first] = await with_checkpoints(stores, 1)
        with pytest.raises(InvalidInput, match="does not follow from checkpoint 1 over 5"):
            await stores.checkpoints.append(replace(a_checkpoint(first), **change))  # type: ignore[arg-type]
        assert await stores.checkpoints.latest() == first

    async def test_roots_of_whole_tiles_are_kept_with_the_checkpoint_that_holds_them(self, stores: Stores) -> None:
        [first] = await with_checkpoints(stores, 1)
        second = a_checkpoint(first, grown=600)
        for wrong in ([], ["aa" * 32], ["aa" * 32] * 3):
            with pytest.raises(InvalidInput, match="whole tiles"):
                await stores.checkpoints.append(second, tiles=wrong)
        assert await stores.checkpoints.tiles() == []
        await stores.checkpoints.append(second, tiles=["aa" * 32, "bb" * 32])
        await stores.checkpoints.append(a_checkpoint(second, grown=200), tiles=["cc" * 32])
        assert await stores.checkpoints.tiles() == ["aa" * 32, "bb" * 32, "cc" * 32]


class SigningKeyConformance:
    """One key signs, and the next one takes over from it."""

    async def test_keys_take_over_from_each_other(self, stores: Stores) -> None:
        assert await stores.checkpoints.keys() == []
        first, second = a_signing_key(FIRST), a_signing_key(SECOND, after=FIRST, at=NOON + HOUR)
        assert await stores.checkpoints.put_key(first) == first
        assert await stores.checkpoints.put_key(second) == second
        retired = replace(first, retired_at=NOON + HOUR)
        assert await stores.checkpoints.keys() == [retired, second]
        assert await stores.checkpoints.put_key(first) == retired

    async def test_a_key_that_does_not_take_over_from_the_newest_is_refused(self, stores: Stores) -> None:
        third = Signer(b"3" * 32)
        await stores.checkpoints.put_key(a_signing_key(FIRST))
        with pytest.raises(VersionConflict, match="would take over from None"):
            await stores.checkpoints.put_key(a_signing_key(SECOND))
        await stores.checkpoints.put_key(a_signing_key(SECOND, after=FIRST))
        with pytest.raises(VersionConflict, match=f"but '{SECOND.key_id}' signs now"):
            await stores.checkpoints.put_key(a_signing_key(third, after=FIRST))
        with pytest.raises(InvalidInput, match="is there already, and another one"):
            await stores.checkpoints.put_key(a_signing_key(SECOND, after=FIRST, at=NOON + HOUR))

    async def test_of_many_first_keys_at_once_one_is_kept(self, stores: Stores) -> None:
        keys = [a_signing_key(Signer(bytes([number]) * 32)) for number in range(5)]
        answers = await asyncio.gather(*map(stores.checkpoints.put_key, keys), return_exceptions=True)
        assert sum(isinstance(answer, VersionConflict) for answer in answers) == 4
        assert len(await stores.checkpoints.keys()) == 1

    async def test_only_the_newest_key_signs(self, stores: Stores) -> None:
        with pytest.raises(VersionConflict, match="not the one that signs now: none"):
            await stores.checkpoints.append(a_checkpoint(None))
        [first] = await with_checkpoints(stores, 1)
        await stores.checkpoints.put_key(a_signing_key(SECOND, after=FIRST))
        with pytest.raises(VersionConflict, match=f"not the one that signs now: '{SECOND.key_id}'"):
            await stores.checkpoints.append(a_checkpoint(first))
        second = a_checkpoint(first, signer=SECOND)
        assert await stores.checkpoints.append(second) == second


class LinkConformance:
    """What trees and chains are made of is read quickly, and one event by what it is of."""

    async def test_links_are_those_of_the_events(self, stores: Stores) -> None:
        payload = a_payload()
        decision = a_decision(payload)
        await stores.journal.write(payload, decision, an_outcome(decision))
        events = await stores.audit.events()
        links = await stores.audit.links()
        assert [tuple(link) for link in links] == [
            (each.position, each.writer, each.seq, each.leaf_hash, each.chain_hash) for each in events
        ]
        assert await stores.audit.links(after_position=1, limit=1) == links[1:2]
        assert await stores.audit.links(after_position=3) == []

    async def test_an_event_is_found_by_its_kind_and_subject(self, stores: Stores) -> None:
        payload = a_payload()
        decision = a_decision(payload)
        await stores.journal.write(payload, decision)
        assert await stores.audit.event("decision", decision.id) == (await stores.audit.events())[1]
        for kind, subject in (("outcome", decision.id), ("decision", "decision_x")):
            with pytest.raises(RecordNotFound, match=f"No {kind} '{subject}' is in the log"):
                await stores.audit.event(kind, subject)


class AuditCheckpointConformance(CheckpointConformance, SigningKeyConformance, LinkConformance):
    """All of them."""
