"""Rows of skills give every text back, and the log's form of them never does harm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import orjson
from hypothesis import given
from hypothesis import strategies as st

from storage.conformance_skills import NOTED, a_skill
from storage.records import utc_now
from storage.skill_forms import (
    folded,
    move_entry,
    move_from,
    move_row,
    version_entry,
    version_from,
    version_row,
)
from storage.skill_records import SkillMove

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)  # lone surrogates and NUL included
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(
    text=ANY_TEXT,
    parameters=st.dictionaries(ANY_TEXT, VALUES, max_size=3),
    added_at=st.datetimes(timezones=st.just(UTC)),
)
def test_any_skill_comes_back_from_its_row(text: str, parameters: dict[str, object], added_at: object) -> None:
    texts = dict.fromkeys(("name", "description", "source", "license", "reason"), text)
    findings = (replace(NOTED, excerpt=text, where=text),)
    times = {"added_at": added_at, "changed_at": added_at}
    skill = a_skill(text=text, parameters=parameters, findings=findings, resources=(text,), **texts, **times)
    assert version_from(version_row(skill)) == skill
    said = orjson.loads(version_entry(skill).canonical)
    assert (said["id"], said["kind"], said["skill_kind"]) == ("pdf-forms@1", "skill_versioned", "tool")
    assert "body" not in said


@given(reason=ANY_TEXT, by=ANY_TEXT)
def test_any_move_comes_back_from_its_row(reason: str, by: str) -> None:
    move = SkillMove(
        id="move_1",
        skill_id="pdf-forms",
        version=2,
        sha256="ab",
        from_state="active",
        to_state="removed",
        reason=reason,
        by=by,
        moved_at=utc_now(),
    )
    assert move_from(move_row(move)) == move
    assert orjson.loads(move_entry(move).canonical)["to_state"] == "removed"


@given(name=ANY_TEXT, start=st.integers(0, 20), end=st.integers(0, 20))
def test_a_part_of_a_name_is_found_in_it_without_case(name: str, start: int, end: int) -> None:
    assert folded(name[start:end]) in folded(name)
    assert folded(name[start:end].upper().lower()) in folded(name) or not name[start:end].isascii()


def test_what_no_database_can_hold_is_one_character_in_a_folded_name() -> None:
    assert folded("A\x00\ud800b") == "a\ufffd\ufffdb"
