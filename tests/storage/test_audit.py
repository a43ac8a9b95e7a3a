"""Whatever is changed, removed, added or moved in the log or in a quoted payload is found, and the event is named."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from storage.audit import COLUMN_NAMES, BadEvent, Verification, verify
from storage.audit_records import LoggedRow
from storage.canonical import Entry
from storage.chain import GENESIS_HASH, Head, chain_hash, leaf_hash, linked
from storage.conformance import a_decision, a_payload, a_reward, a_span, an_outcome, opened, written_decision
from storage.conformance_skills import a_skill
from storage.conformance_versions import a_version, some_files
from storage.records import Amount, BudgetAccount, usd, utc_now
from storage.registry import open_stores

CHANGEABLE_COLUMNS = ("writer", "seq", "kind", *COLUMN_NAMES, "canonical", "leaf_hash", "chain_hash")


@dataclass(frozen=True)
class Written:
    """A log of two writers, closed, with events of all kinds."""

    path: Path
    kept_payload: str
    erased_payload: str


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return asyncio.run(write_log(tmp_path_factory.mktemp("log") / "antroute.db"))


async def write_log(path: Path) -> Written:
    first = await open_stores(f"sqlite:///{path}", writer="first")
    question, answer = a_payload(), a_payload("the answer is 51")
    decision = a_decision(question)
    outcome = an_outcome(decision, answer)
    await first.journal.write(question, decision)
    await first.journal.write(answer, outcome, a_reward(decision, outcome), a_span(decision.run_id, "route", utc_now()))
    await opened(first, BudgetAccount(id="a", limit_usd=usd(1)))
    await first.budgets.hold("a", Amount(usd=usd("0.1")), expires_in_seconds=0)
    await first.budgets.reap(utc_now() + timedelta(seconds=1))
    await first.payloads.erase(question.id)
    await first.close()
    second = await open_stores(f"sqlite:///{path}", writer="second")
    last = await written_decision(second)
    await second.journal.write(an_outcome(last))
    router = await second.policy_versions.register(a_version(), some_files("first"))
    await second.policy_versions.move(router.id, "active", reason="good")
    await second.close()
    return Written(path, kept_payload=answer.id, erased_payload=question.id)


EVENTS = 11  # opening, decision, outcome, reward, forfeiture, erasure; opening, decision, outcome, router, its move
FILES = 2  # of the router


async def verified_after(written: Written, tmp_path: Path, *statements: str) -> Verification:
    """The verification of a copy in which an attacker, who can drop triggers, ran the statements."""
    path = tmp_path / "attacked.db"
    shutil.copy(written.path, path)
    with sqlite3.connect(path) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return await verified(path)


async def verified(path: Path) -> Verification:
    stores = await open_stores(f"sqlite:///{path}")
    try:
        return await verify(stores)
    finally:
        await stores.close()


def bad_event(verification: Verification) -> BadEvent:
    assert not verification.is_whole
    assert verification.first_bad_event is not None
    return verification.first_bad_event


async def test_the_untouched_log_is_whole(written: Written) -> None:
    verification = await verified(written.path)
    assert verification == Verification(
        is_whole=True, events_checked=EVENTS, writers=2, first_bad_event=None, erased_payloads=1, files_checked=FILES
    )


def flipped(column: str) -> str:
    """SQL that changes the column a little, whatever it holds: one character in the middle, or a thousand more."""
    half = f"(length({column}) / 2)"
    changed = f"CASE substr({column}, {half} + 1, 1) WHEN '0' THEN '1' ELSE '0' END"
    text = f"substr({column}, 1, {half}) || {changed} || substr({column}, {half} + 2)"
    return f"CASE typeof({column}) WHEN 'integer' THEN {column} + 1000 WHEN 'null' THEN 'x' ELSE {text} END"


@pytest.mark.parametrize("column", CHANGEABLE_COLUMNS)
@pytest.mark.parametrize("position", range(1, EVENTS + 1))
async def test_a_changed_column_is_found_and_its_event_named(
    written: Written, tmp_path: Path, position: int, column: str
) -> None:
    change = f"UPDATE audit_events SET {column} = {flipped(column)} WHERE position = {position}"
    assert bad_event(await verified_after(written, tmp_path, change)).position == position


@pytest.mark.parametrize("column", ["canonical", "at", "leaf_hash", "writer", "seq"])
@pytest.mark.parametrize("value", ["x'00ff'", "12", "'{}'"])
async def test_a_value_of_another_type_is_found_not_tripped_over(
    written: Written, tmp_path: Path, value: str, column: str
) -> None:
    change = f"UPDATE audit_events SET {column} = {value} WHERE position = 3"
    assert bad_event(await verified_after(written, tmp_path, change)).position == 3


@pytest.mark.parametrize("position", range(1, EVENTS + 1))
async def test_a_moved_event_is_found(written: Written, tmp_path: Path, position: int) -> None:
    change = f"UPDATE audit_events SET position = position + 1000 WHERE position = {position}"
    bad = bad_event(await verified_after(written, tmp_path, change))
    assert f"event {position} is missing" in bad.reason or f"events {position} to" in bad.reason


@pytest.mark.parametrize("position", range(1, EVENTS))
async def test_a_removed_event_is_found(written: Written, tmp_path: Path, position: int) -> None:
    bad = bad_event(await verified_after(written, tmp_path, f"DELETE FROM audit_events WHERE position = {position}"))
    assert (bad.position, bad.reason) == (position + 1, f"event {position} is missing before it")


@pytest.mark.parametrize("position", range(1, EVENTS))
async def test_two_exchanged_events_are_found(written: Written, tmp_path: Path, position: int) -> None:
    exchange = (
        f"UPDATE audit_events SET position = -1 WHERE position = {position}",
        f"UPDATE audit_events SET position = {position} WHERE position = {position + 1}",
        f"UPDATE audit_events SET position = {position + 1} WHERE position = -1",
    )
    assert bad_event(await verified_after(written, tmp_path, *exchange)).position == position


async def test_a_tail_cut_before_a_later_writer_opened_is_found(written: Written, tmp_path: Path) -> None:
    cut = "DELETE FROM audit_events WHERE position = 6"
    closed = "UPDATE audit_events SET position = position - 1 WHERE position > 6"
    bad = bad_event(await verified_after(written, tmp_path, cut, closed))
    assert (bad.position, bad.writer, bad.kind) == (6, "second", "writer_opened")
    assert "the chain of 'first' is not as this writer found it" in bad.reason


async def test_a_removed_chain_is_found(written: Written, tmp_path: Path) -> None:
    bad = bad_event(await verified_after(written, tmp_path, "DELETE FROM audit_events WHERE writer = 'first'"))
    assert (bad.position, bad.reason) == (7, "events 1 to 6 are missing before it")


async def test_a_chain_that_was_forged_whole_is_found_by_the_writer_after_it(written: Written, tmp_path: Path) -> None:
    path = tmp_path / "attacked.db"
    shutil.copy(written.path, path)
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER audit_events_no_update")
    rows = connection.execute("SELECT position, canonical FROM audit_events WHERE writer = 'first' ORDER BY position")
    previous = GENESIS_HASH
    for position, canonical in rows.fetchall():
        forged = canonical.replace('"quality":1', '"quality":0')
        previous = chain_hash(previous, leaf_hash(forged))
        connection.execute(
            "UPDATE audit_events SET canonical = ?, leaf_hash = ?, chain_hash = ? WHERE position = ?",
            (forged, leaf_hash(forged), previous, position),
        )
    connection.commit()
    connection.close()
    bad = bad_event(await verified(path))
    assert (bad.position, bad.kind) == (7, "writer_opened")


async def test_a_tail_cut_off_the_whole_log_is_not_seen_from_inside(written: Written, tmp_path: Path) -> None:
    cut = f"DELETE FROM audit_events WHERE position = {EVENTS}"
    assert (await verified_after(written, tmp_path, cut)).is_whole


@pytest.mark.parametrize("column", ["id", "text", "salt", "digest", "erased_at"])
@pytest.mark.parametrize("state", ["kept", "erased"])
async def test_a_changed_payload_is_found_at_the_event_that_quotes_it(
    written: Written, tmp_path: Path, state: str, column: str
) -> None:
    payload_id, position = (written.kept_payload, 3) if state == "kept" else (written.erased_payload, 2)
    value = flipped(column)
    if column == "text":
        value = f"CAST({flipped('CAST(text AS TEXT)')} AS BLOB)"
    change = f"UPDATE payloads SET {column} = {value} WHERE id = '{payload_id}'"
    bad = bad_event(await verified_after(written, tmp_path, change))
    # a later erasure date contradicts only the event that logged it
    assert bad.position == (
        6 if (state, column) == ("erased", "erased_at") and "another time" in bad.reason else position
    )
    assert payload_id in bad.reason


async def test_a_removed_payload_is_found(written: Written, tmp_path: Path) -> None:
    bad = bad_event(await verified_after(written, tmp_path, "DELETE FROM payloads WHERE erased_at IS NULL"))
    assert (bad.position, bad.kind) == (3, "outcome")
    assert "the row is missing" in bad.reason


async def test_a_payload_erased_behind_the_log_s_back_is_found(written: Written, tmp_path: Path) -> None:
    change = (
        "UPDATE payloads SET text = NULL, salt = NULL, erased_at = '2026-11-22T00:00:00.000000Z' "
        f"WHERE id = '{written.kept_payload}'"
    )
    bad = bad_event(await verified_after(written, tmp_path, change))
    assert (bad.position, bad.reason) == (3, "a payload that it quotes is erased, and no event says so")


async def test_bytes_that_are_no_text_are_found(written: Written, tmp_path: Path) -> None:
    path = tmp_path / "attacked.db"
    shutil.copy(written.path, path)
    content = path.read_bytes()
    assert content.count(b"environment") == 2  # the judge of the two outcomes
    path.write_bytes(content.replace(b"environment", b"environmen\xff", 1))
    bad = bad_event(await verified(path))
    assert bad.position in (3, 9)
    assert bad.reason == "leaf_hash is not that of the stored text"


async def test_the_triggers_block_update_and_delete(written: Written, tmp_path: Path) -> None:
    path = tmp_path / "copy.db"
    shutil.copy(written.path, path)
    connection = sqlite3.connect(path)
    for statement in (
        "UPDATE audit_events SET tenant = 'other' WHERE position = 2",
        "DELETE FROM audit_events WHERE position = 2",
        "DELETE FROM payloads",
        "UPDATE spans SET record = '{}'",
        "DELETE FROM spans",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="its rows are kept as they were written"):
            connection.execute(statement)
    connection.close()


async def test_an_outcome_whose_decision_does_not_stand_before_it_is_found() -> None:
    stores = await open_stores("memory:")
    decision = await written_decision(stores)
    await stores.journal.write(an_outcome(decision))
    events = await stores.audit.events()
    without = [events[0]]
    entry_fields = {name: getattr(events[2], name) for name in Entry.__dataclass_fields__}
    head = Head(writer=events[0].writer, seq=0, chain_hash=events[0].chain_hash)
    without.append(linked(Entry(**entry_fields), writer=head.writer, head=head, position=2))

    class ShortLog:
        async def rows(self, *, after_position: int = 0, limit: int = 1000) -> list[object]:
            rows = [LoggedRow(*(getattr(event, name) for name in LoggedRow._fields)) for event in without]
            return list(rows) if after_position < 1 else []

        text_rows = stores.audit.text_rows

    bad = bad_event(await verify(replace(stores, audit=ShortLog())))
    assert (bad.position, bad.kind) == (2, "outcome")
    assert decision.id in bad.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE artifact_files SET content = x'00' WHERE name = 'manifest.json'", "'manifest.json' of router"),
        ("DELETE FROM artifact_files WHERE name = 'manifest.json'", "is missing"),
    ],
)
async def test_a_changed_file_of_a_router_is_found_at_its_registration(
    written: Written, tmp_path: Path, change: str, said: str
) -> None:
    bad = bad_event(await verified_after(written, tmp_path, change))
    assert (bad.position, bad.kind) == (10, "router_registered")
    assert said in bad.reason


@pytest.mark.parametrize(
    "change",
    [
        "body = CAST('other' AS BLOB)",
        "body = CAST('other' AS BLOB), record = CAST(replace(CAST(record AS TEXT), '{body}', '{other}') AS BLOB)",
        "record = CAST(replace(CAST(record AS TEXT), 'Makes things', 'Breaks things') AS BLOB)",
        "skill_id = 'skill_x'",
    ],
)
@pytest.mark.parametrize("version", [1, 2])
async def test_a_changed_text_of_a_skill_is_found_at_an_event_of_it(tmp_path: Path, change: str, version: int) -> None:
    path = tmp_path / "antroute.db"
    stores = await open_stores(f"sqlite:///{path}")
    for number in (1, 2):
        skill = replace(a_skill("one"), description="Makes things", body=f"body {number}", sha256=f"{number:064x}")
        await stores.skills.put([skill])
    await stores.skills.move([skill.skill_id], "removed", reason="old", by="operator")
    assert (await verify(stores)).files_checked == 2
    await stores.close()
    digests = {"body": f"body {version}", "other": "other"}
    change = change.format(**{name: sha256(text.encode()).hexdigest() for name, text in digests.items()})
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER skill_versions_no_update")
        connection.execute(f"UPDATE skill_versions SET {change} WHERE version = {version}")
    connection.close()
    bad = bad_event(await verified(path))
    is_unreadable = change.startswith("body") and "record" not in change  # then none of its versions is given back
    assert (bad.position, bad.kind) == (2 if is_unreadable else version + 1, "skill_versioned")
    assert "what is stored of it is not what was logged" in bad.reason
