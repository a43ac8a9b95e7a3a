"""Whatever is done to a signed log by somebody who may write to the whole database: what is found, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.audit import BadEvent, Verification
from storage.registry import open_stores
from tests.e2e import tampered_log as tampered
from tests.e2e.tampered_log import FORGER, SIZES, SignedLog, attack, verified
from tests.postgres_server import PostgresUnavailable, running_postgres

POSTGRES = pytest.param("postgresql", marks=pytest.mark.postgres)
COLUMNS = (
    "position", "writer", "seq", "kind", "subject_id", "decision_id", "run_id", "tenant", "candidate_id", "policy",
    "at", "canonical", "leaf_hash", "chain_hash",
)  # fmt: skip
EVENTS = SIZES[-1]
MOST = "writer, kind, at, canonical, leaf_hash, chain_hash"
ONE_MORE = (
    f"INSERT INTO audit_events (position, seq, subject_id, {MOST}) "
    f"SELECT 19, seq + 1, 'x', {MOST} FROM audit_events WHERE position = 18"
)
FIRST_AS_SECOND = "SELECT record FROM audit_checkpoints WHERE number = 1"


@pytest.fixture(scope="module", params=["sqlite", POSTGRES])
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedLog]:
    folder = tmp_path_factory.mktemp("signed")
    if request.param == "sqlite":
        yield asyncio.run(tampered.signed_log(f"sqlite:///{folder}/antroute.db", folder))
        return
    try:
        with running_postgres() as server:
            server.execute("CREATE DATABASE signed_log")
            yield asyncio.run(tampered.signed_log(server.url("signed_log"), folder, server))
    except PostgresUnavailable as exc:
        pytest.skip(f"no PostgreSQL can be started: {exc}")


@pytest.fixture
def url(log: SignedLog, tmp_path: Path) -> Iterator[str]:
    """Of a copy that may be attacked."""
    with log.copy(tmp_path) as url:
        yield url


def bad_event(found: Verification) -> BadEvent:
    assert not found.is_whole
    assert found.first_bad_event is not None
    return found.first_bad_event


def bad_checkpoint(found: Verification) -> tuple[int, str]:
    assert not found.is_whole
    assert found.first_bad_checkpoint is not None
    return found.first_bad_checkpoint.number, found.first_bad_checkpoint.reason


async def test_the_untouched_log_is_whole_from_every_side(log: SignedLog, url: str) -> None:
    for found in (await verified(url, log), await verified(url, log, with_outside=True, with_key=True)):
        assert found.is_whole
        assert (found.events_checked, found.checkpoints, found.sealed_events) == (EVENTS, 3, EVENTS)
    assert found.outside_checkpoints == 3


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_flipped_byte_in_any_column_is_found_at_its_event(log: SignedLog, url: str, column: str) -> None:
    number, changed = f"{column} + 1000", f"substr({column}, 1, 9) || 'ÿ' || substr({column}, 11)"
    attack(
        url,
        f"UPDATE audit_events SET {column} = {number if column in ('position', 'seq') else changed} WHERE position = 9",
    )
    bad = bad_event(await verified(url, log))
    assert bad.position == (10 if column == "position" else 9)


@pytest.mark.parametrize("position", [1, 4, 8, 13])
async def test_a_deleted_event_is_found(log: SignedLog, url: str, position: int) -> None:
    attack(url, f"DELETE FROM audit_events WHERE position = {position}")
    bad = bad_event(await verified(url, log))
    assert (bad.position, bad.reason) == (position + 1, f"event {position} is missing before it")


async def test_a_deleted_event_is_found_where_the_gap_was_closed(log: SignedLog, url: str) -> None:
    moved = "UPDATE audit_events SET position = -(position - 1) WHERE position > 8"
    attack(
        url, "DELETE FROM audit_events WHERE position = 8", moved, "UPDATE audit_events SET position = abs(position)"
    )
    assert "seq is" in bad_event(await verified(url, log)).reason


@pytest.mark.parametrize(("one", "other"), [(2, 3), (5, 17), (7, 10)])
async def test_exchanged_events_are_found(log: SignedLog, url: str, one: int, other: int) -> None:
    attack(url, *exchanged(one, other))
    assert bad_event(await verified(url, log)).position == one


async def test_neighbours_of_two_chains_that_were_exchanged_are_found_by_the_checkpoint(
    log: SignedLog, url: str
) -> None:
    attack(url, *exchanged(8, 9))
    found = await verified(url, log)
    assert found.first_bad_event is None, "each chain is as it was written; only the order of the log is not"
    assert bad_checkpoint(found)[0] == 1


def exchanged(one: int, other: int) -> list[str]:
    steps = ((one, -1), (other, one), (-1, other))
    return [f"UPDATE audit_events SET position = {to} WHERE position = {at}" for at, to in steps]


async def test_an_inserted_event_is_found(log: SignedLog, url: str) -> None:
    names = ", ".join(COLUMNS[4:])
    room = "UPDATE audit_events SET position = -(position + 1) WHERE position > 9"
    copy = (
        f"INSERT INTO audit_events (position, writer, seq, kind, {names}) SELECT 10, 'first', 99, kind, 'more', "
        f"{', '.join(COLUMNS[5:])} FROM audit_events WHERE position = 9"
    )
    attack(url, room, "UPDATE audit_events SET position = abs(position)", copy)
    assert bad_event(await verified(url, log)).position == 10


async def test_events_of_two_writers_that_take_each_other_s_place_are_found(log: SignedLog, url: str) -> None:
    for name in ("canonical", "leaf_hash", "subject_id"):
        with tampered.attacking(url) as connection:
            query = tampered.text(f"SELECT {name} FROM audit_events WHERE position IN (7, 9) ORDER BY position")
            one, other = connection.execute(query).scalars().all()
            for value, position in (("to be", 7), (one, 9), (other, 7)):
                change = tampered.text(f"UPDATE audit_events SET {name} = :value WHERE position = {position}")
                connection.execute(change, {"value": value})
    assert bad_event(await verified(url, log)).position == 7


@pytest.mark.parametrize("size", [17, 14, 12, 0])
async def test_a_tail_that_was_cut_off_is_found_by_the_checkpoint_that_holds_it(
    log: SignedLog, url: str, size: int
) -> None:
    attack(url, f"DELETE FROM audit_events WHERE position > {size}")
    bad = bad_event(await verified(url, log))
    assert bad.position == size + 1
    assert "missing at the end of the log: checkpoint" in bad.reason


async def test_a_tail_cut_off_with_its_checkpoint_is_found_with_the_place_outside_alone(
    log: SignedLog, url: str
) -> None:
    attack(url, "DELETE FROM audit_events WHERE position > 14", "DELETE FROM audit_checkpoints WHERE number > 2")
    assert (await verified(url, log)).is_whole, "from inside nobody can know"
    found = await verified(url, log, with_outside=True)
    assert bad_event(found).position == 15
    assert bad_checkpoint(found) == (3, f"it stands in '{log.outside}' and is missing here")


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"tree_size":1', '"tree_size":2'),
        ('"number":', '"number":1'),
        ('"root_hash":"', '"root_hash":"0'),
        ('"signed_at":"2026', '"signed_at":"2025'),
        ('"signature":"', '"signature":"0'),
        ('"writer":"first"', '"writer":"other"'),
    ],
)
async def test_an_edited_checkpoint_is_found(log: SignedLog, url: str, number: int, old: str, new: str) -> None:
    attack(url, f"UPDATE audit_checkpoints SET record = replace(record, '{old}', '{new}') WHERE number = {number}")
    assert bad_checkpoint(await verified(url, log))[0] == number


async def test_a_checkpoint_signed_for_another_number_is_found(log: SignedLog, url: str) -> None:
    attack(url, f"UPDATE audit_checkpoints SET record = ({FIRST_AS_SECOND}) WHERE number = 2")
    assert bad_checkpoint(await verified(url, log))[0] == 2


@pytest.mark.parametrize("number", [1, 2])
async def test_a_deleted_checkpoint_is_found(log: SignedLog, url: str, number: int) -> None:
    attack(url, f"DELETE FROM audit_checkpoints WHERE number = {number}")
    assert bad_checkpoint(await verified(url, log)) == (number, "it is missing")


async def test_a_log_rewritten_with_fresh_hashes_is_found_by_the_first_checkpoint(log: SignedLog, url: str) -> None:
    tampered.rewrite(url, '"quality":1', '"quality":0')
    found = await verified(url, log)
    number, reason = bad_checkpoint(found)
    assert (number, found.first_bad_event) == (1, None)
    assert "events 1 to 10 are not, or not all, what was signed" in reason


async def test_a_log_rewritten_without_its_checkpoints_is_found_with_the_place_outside_alone(
    log: SignedLog, url: str
) -> None:
    tampered.rewrite(url, '"quality":1', '"quality":0')
    attack(url, "DELETE FROM audit_checkpoints", "DELETE FROM audit_keys")
    found = await verified(url, log)
    assert (found.is_whole, found.checkpoints) == (True, 0), "it looks like a log that nobody ever signed"
    found = await verified(url, log, with_outside=True)
    assert bad_checkpoint(found)[0] == 0
    assert "stands in" in bad_checkpoint(found)[1]


async def test_a_log_rewritten_and_signed_with_a_new_key_is_found_with_the_place_outside_or_the_key(
    log: SignedLog, url: str
) -> None:
    tampered.rewrite(url, '"quality":1', '"quality":0')
    tampered.sign_anew(url, FORGER)
    assert (await verified(url, log)).is_whole, "from inside nobody can know whose key the first one is"
    _, reason = bad_checkpoint(await verified(url, log, with_key=True))
    assert reason == f"key {FORGER.key_id!r} signs, which is not the one of this service's file"
    assert not (await verified(url, log, with_outside=True)).is_whole


async def test_a_foreign_key_in_the_database_is_found(log: SignedLog, url: str) -> None:
    stores = await open_stores(url)
    newest = (await stores.checkpoints.keys())[-1].key_id
    await stores.close()
    tampered.put_key(url, FORGER, previous_key_id=newest)
    attack(url, ONE_MORE)
    tampered.add_checkpoint(url, FORGER)
    for with_outside in (False, True):
        found = await verified(url, log, with_outside=with_outside)
        assert bad_checkpoint(found) == (
            0, f"signing key {FORGER.key_id!r} is foreign: the key before it has not endorsed it"
        )  # fmt: skip
    found = await verified(url, log, keys=(FORGER.public_key,))
    assert found.first_bad_checkpoint is None, "unless whoever verifies says that it is theirs"


async def test_a_retired_key_signs_nothing_any_more(log: SignedLog, url: str) -> None:
    attack(url, ONE_MORE)
    tampered.add_checkpoint(url, log.first_key)
    number, reason = bad_checkpoint(await verified(url, log))
    assert (number, "after another key had taken over" in reason) == (4, True)


@pytest.mark.parametrize("line", [1, 2, 4])
async def test_a_place_outside_that_was_edited_is_found(log: SignedLog, url: str, line: int, tmp_path: Path) -> None:
    edited = tmp_path / "outside.jsonl"
    lines = log.outside.read_text().splitlines(keepends=True)
    edited.write_text("".join(lines[:line] + lines[line + 1 :]))
    found = await verified(url, _with_outside(log, edited), with_outside=True)
    assert found.is_whole == (line == 4), "only its newest end is missed by nobody: it may not be written yet"


async def test_an_erased_text_leaves_log_and_checkpoints_whole(log: SignedLog, url: str) -> None:
    stores = await open_stores(url)
    decision = await stores.audit.events(after_position=1, limit=1)
    payload_id = (await stores.decisions.get(decision[0].subject_id)).payload_id
    await stores.payloads.erase(payload_id)
    await stores.close()
    found = await verified(url, log, with_outside=True, with_key=True)
    assert (found.is_whole, found.erased_payloads, found.checkpoints) == (True, 1, 3)


def _with_outside(log: SignedLog, path: Path) -> SignedLog:
    (path.parent / "audit.key").write_text(log.key_file.read_text())
    return SignedLog(log.url, path.parent, log.first_key, log.server)
