"""Versions and moves of skills as rows, and as events of the log; refuses what no store could give back.

A row is JSON in UTF-8 that lets lone surrogates pass, so that every text is read back as it came. The event of a
version holds all but the body, which it quotes by its SHA-256.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, get_args

from storage.canonical import REFUSED_IN_IDS, Entry, checked_id, entry_from, entry_of, iso, moment_of
from storage.errors import InvalidInput, LogCorrupt
from storage.skill_records import Finding, SkillKind, SkillMove, SkillState, SkillVersion

MOST_KEY_BYTES = 1000  # of an id, a library or a digest: two of them fit into PostgreSQL's index entry of 2,700
MOST_BODY_BYTES = 16 * 2**20
MOST_RECORD_BYTES = 4 * 2**20  # of all but the body, which the log keeps
STATES: tuple[SkillState, ...] = get_args(SkillState)
KINDS: tuple[SkillKind, ...] = get_args(SkillKind)

MOVE_FIELDS = tuple(SkillMove.__dataclass_fields__)
FINDING_FIELDS = tuple(Finding.__dataclass_fields__)
UNLOGGED = ("body", "kind", "changed_at")  # of a version: quoted, renamed (an event has a kind too), as `added_at`
BODY_DIGEST = "body_sha256"  # of a row: what its body is compared with when it is read
LOGGED = tuple(name for name in SkillVersion.__dataclass_fields__ if name not in UNLOGGED)


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionRow:
    """A version as a table keeps it."""

    record: bytes  # JSON of all but the body
    body: bytes


def version_row(skill: SkillVersion) -> VersionRow:
    """The version with its state at its adding. Raises InvalidInput where it could not be read back as it is."""
    values: dict[str, Any] = {
        name: getattr(skill, name) for name in SkillVersion.__dataclass_fields__ if name != "body"
    }
    values["findings"] = [[getattr(each, name) for name in FINDING_FIELDS] for each in skill.findings]
    values["parameters"] = dict(skill.parameters)
    values[BODY_DIGEST] = sha256(_bytes(skill.body)).hexdigest()
    values["added_at"] = iso(skill.added_at, field="added_at")
    values["changed_at"] = iso(skill.changed_at, field="changed_at")
    row = VersionRow(record=_record(values, skill.skill_id), body=_bytes(skill.body))
    _ensure_size(len(row.record), MOST_RECORD_BYTES, "record", skill.skill_id)
    _ensure_size(len(row.body), MOST_BODY_BYTES, "body", skill.skill_id)
    return row


def version_from(row: VersionRow) -> SkillVersion:
    """The version that `version_row` wrote, as it was added; its moves tell what became of it. Raises LogCorrupt."""
    plain = _plain(row.record)
    try:
        is_whole = plain.pop(BODY_DIGEST) == sha256(row.body).hexdigest()
        plain["findings"] = tuple(Finding(**dict(zip(FINDING_FIELDS, each, strict=True))) for each in plain["findings"])
        plain["resources"] = tuple(plain["resources"])
        plain["added_at"] = moment_of(plain["added_at"])
        plain["changed_at"] = moment_of(plain["changed_at"])
        skill = SkillVersion(**plain, body=row.body.decode("utf-8", "surrogatepass"))
    except (KeyError, TypeError, ValueError) as exc:
        raise LogCorrupt(f"A stored skill is no skill: {exc!r}.") from exc
    if not is_whole:
        raise LogCorrupt(f"The text of the stored skill {skill.skill_id!r} is not the one that was added.")
    return skill


def name_in(record: bytes) -> str:
    """The name of the version in this record. Raises LogCorrupt."""
    name = _plain(record).get("name")
    if not isinstance(name, str):
        raise LogCorrupt("A stored skill has no name.")
    return name


def version_entry(skill: SkillVersion) -> Entry:
    """The event `skill_versioned`. Raises InvalidInput for values without a JSON form."""
    values = {name: getattr(skill, name) for name in LOGGED}
    values["id"] = f"{skill.skill_id}@{skill.version}"
    values["skill_kind"] = skill.kind
    values[BODY_DIGEST] = sha256(_bytes(skill.body)).hexdigest()
    try:
        return entry_from("skill_versioned", values)
    except (RecursionError, TypeError, ValueError) as exc:  # nested too deep, or a number of thousands of digits
        raise _unwritable(skill.skill_id, exc) from exc


def move_row(move: SkillMove) -> bytes:
    return _record(
        {name: getattr(move, name) for name in MOVE_FIELDS} | {"moved_at": iso(move.moved_at)}, move.skill_id
    )


def move_from(row: bytes) -> SkillMove:
    plain = _plain(row)
    try:
        return SkillMove(**plain | {"moved_at": moment_of(plain["moved_at"])})
    except (KeyError, TypeError) as exc:
        raise LogCorrupt(f"A stored move of a skill is none: {exc!r}.") from exc


def move_entry(move: SkillMove) -> Entry:
    """The event `skill_moved`."""
    return entry_of(move)


def checked_skill(skill: SkillVersion) -> SkillVersion:
    """The skill unchanged; raises InvalidInput for one that is none."""
    for name in ("skill_id", "sha256"):
        if not checked_key(getattr(skill, name), name):
            raise InvalidInput(f"Skill {skill.skill_id!r} has no `{name}`.", field=name)
    checked_key(skill.library, "library")
    if skill.kind not in KINDS:
        raise InvalidInput(f"kind {skill.kind!r} is none; known: {', '.join(KINDS)}.", field="kind")
    if checked_state(skill.state) == "removed":
        raise InvalidInput(f"Skill {skill.skill_id!r} cannot be added as removed; add it, then move it.", field="state")
    return skill


def checked_key(value: str, field: str) -> str:
    """The text unchanged; raises InvalidInput for one that not every database can hold and find."""
    checked_id(value, field)
    if (size := len(value.encode())) > MOST_KEY_BYTES:
        raise InvalidInput(
            f"{field} {value[:40]!r}… has {size} bytes; at most {MOST_KEY_BYTES} are taken.", field=field
        )
    return value


def checked_state(state: SkillState) -> SkillState:
    if state not in STATES:
        raise InvalidInput(f"state {state!r} is none; known: {', '.join(STATES)}.", field="state")
    return state


def folded(text: str) -> str:
    """The text as names are compared: without case, and with U+FFFD for what not every database can hold."""
    return REFUSED_IN_IDS.sub("\ufffd", text.casefold())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _record(values: Mapping[str, Any], skill_id: str) -> bytes:
    try:
        return _bytes(json.dumps(values, ensure_ascii=False, allow_nan=False))
    except (RecursionError, TypeError, ValueError) as exc:
        raise _unwritable(skill_id, exc) from exc


def _plain(record: bytes) -> dict[str, Any]:
    try:
        plain = json.loads(record.decode("utf-8", "surrogatepass"))
    except (RecursionError, ValueError) as exc:
        raise LogCorrupt(f"A stored skill cannot be read: {exc}.") from exc
    if not isinstance(plain, dict):
        raise LogCorrupt("A stored skill is JSON, but no object.")
    return plain


def _unwritable(skill_id: str, exc: Exception) -> InvalidInput:
    return InvalidInput(f"Skill {skill_id!r} has no JSON form: {exc!s:.200}.", field="skill")


def _ensure_size(size: int, most: int, what: str, skill_id: str) -> None:
    if size > most:
        raise InvalidInput(f"The {what} of skill {skill_id!r} has {size} bytes; at most {most} are taken.", field=what)
