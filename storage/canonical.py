"""Records to canonical JSON (RFC 8785) and back; what the audit log hashes and what a decision is read from.

Money is written as a decimal string, a time as ISO-8601 UTC with microseconds, an integer beyond 2^53-1 as a
string (JSON numbers are doubles). A lone surrogate is no character and has no UTF-8: in free text it becomes
U+FFFD. Ids and other index columns may hold neither lone surrogates nor NUL: they are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import orjson

from storage.errors import InvalidInput, LogCorrupt
from storage.records import Assessment, Decision, Outcome, Reward, ShadowChoice, Span, TokenUsage
from storage.skill_records import ConsideredSkill, SkillMove, SkillSelection
from storage.version_records import PolicyVersion, VersionMove

LARGEST_EXACT_INTEGER = 2**53 - 1
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
REFUSED_IN_IDS = re.compile("[\x00\ud800-\udfff]")

SCORES = ("retrieval", "rerank")  # of a considered skill

Plain = dict[str, Any]  # what a JSON object is once parsed
Encoder = Callable[[Any, str], Any]  # value and the name of its field, to JSON's types

# Kind of event to the fields of its record that stand in the columns
# (subject_id, decision_id, run_id, tenant, candidate_id, policy, at); None: the column is empty.
COLUMNS: dict[str, tuple[str | None, ...]] = {
    "decision": ("id", "id", "run_id", "tenant", "candidate_id", "policy", "decided_at"),
    "outcome": ("id", "decision_id", "run_id", None, None, None, "happened_at"),
    "reward": ("id", "decision_id", "run_id", None, None, None, "rewarded_at"),
    "hold_forfeited": ("id", None, None, None, None, None, "forfeited_at"),
    "payload_erased": ("id", None, None, None, None, None, "erased_at"),
    "writer_opened": ("id", None, None, None, None, None, "opened_at"),
    "router_registered": ("id", None, None, None, None, None, "registered_at"),
    "router_moved": ("id", None, None, None, None, None, "moved_at"),
    "skill_versioned": ("id", None, None, None, None, None, "added_at"),
    "skill_moved": ("id", None, None, None, None, None, "moved_at"),
    "job_submitted": ("id", None, "run_id", "tenant", None, None, "created_at"),
    "job_ended": ("id", None, "run_id", "tenant", None, None, "ended_at"),
    "key_created": ("id", None, None, "tenant", None, None, "created_at"),
    "key_revoked": ("id", None, None, "tenant", None, None, "changed_at"),
    "key_changed": ("id", None, None, "tenant", None, None, "changed_at"),
    "tenant_changed": ("id", None, None, "tenant", None, None, "changed_at"),
}
KIND_OF: dict[type, str] = {
    Decision: "decision",
    Outcome: "outcome",
    Reward: "reward",
    PolicyVersion: "router_registered",
    VersionMove: "router_moved",
    SkillMove: "skill_moved",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An event that no chain holds yet."""

    kind: str
    subject_id: str
    decision_id: str | None
    run_id: str | None
    tenant: str | None
    candidate_id: str | None
    policy: str | None
    at: str
    canonical: str


def iso(moment: datetime, *, field: str = "time") -> str:
    """`2026-11-22T10:00:00.000000Z`; raises InvalidInput for a time without a zone."""
    if moment.tzinfo is None:
        raise InvalidInput(f"{field} {moment!r} has no time zone; give an aware time, best in UTC.", field=field)
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def moment_of(text: str) -> datetime:
    """The time that `iso` wrote; raises LogCorrupt when it is none."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError) as exc:
        raise LogCorrupt(f"{text!r} is no time.") from exc


def checked_id(value: str, field: str) -> str:
    """The id unchanged; raises InvalidInput for one that no database can hold."""
    if REFUSED_IN_IDS.search(value):
        raise InvalidInput(f"{field} {value!r} holds a NUL or a lone surrogate; use plain characters.", field=field)
    return value


def canonical_json(value: Plain) -> str:
    """RFC 8785 JSON of a mapping; raises InvalidInput where a value has no JSON form.

    orjson does the work; where the two differ it is told: very small and large numbers, keys beyond ASCII.
    """
    return orjson.dumps(_plain(value, ""), option=orjson.OPT_SORT_KEYS).decode()


def entry_of(record: Decision | Outcome | Reward | PolicyVersion | VersionMove | SkillMove) -> Entry:
    """The event that holds this record."""
    return entry_from(KIND_OF[type(record)], {name: getattr(record, name) for name in record.__dataclass_fields__})


def entry_from(kind: str, values: Plain) -> Entry:
    """The event of this kind over these values; raises InvalidInput when they cannot be written."""
    columns = [_column(values[name], name) if name else None for name in COLUMNS[kind]]
    subject_id, decision_id, run_id, tenant, candidate_id, policy, at = columns
    return Entry(
        kind=kind,
        subject_id=subject_id or "",
        decision_id=decision_id,
        run_id=run_id,
        tenant=tenant,
        candidate_id=candidate_id,
        policy=policy,
        at=at or "",
        canonical=canonical_json({"kind": kind, **values}),
    )


def parsed(canonical: str) -> Plain:
    """The JSON object in the text; raises LogCorrupt when there is none."""
    try:
        value = orjson.loads(canonical)
    except (orjson.JSONDecodeError, TypeError) as exc:
        raise LogCorrupt(f"The stored text is no JSON: {exc}.") from exc
    if not isinstance(value, dict):
        raise LogCorrupt("The stored text is JSON, but no object.")
    return value


def payload_id_in(canonical: str) -> str:
    """Of a decision, without all the rest."""
    return str(parsed(canonical)["payload_id"])


def decision_from(canonical: str) -> Decision:
    """The decision that `entry_of` wrote, equal in every field; an old one lacks what came later."""
    plain = _without_kind(canonical)
    plain["task_mixture"] = _floats(plain["task_mixture"])
    plain["context"] = tuple(map(float, plain["context"]))
    plain["assessments"] = tuple(_assessment(each) for each in plain["assessments"])
    plain["propensity"] = float(plain["propensity"])
    plain["rng_seed"] = int(plain["rng_seed"])
    plain["rng_counter"] = int(plain["rng_counter"])
    plain["budget_before_usd"] = Decimal(plain["budget_before_usd"])
    plain["budget_reserved_usd"] = Decimal(plain["budget_reserved_usd"])
    for name in ("weights", "resources_before", "resources_reserved"):
        plain[name] = _floats(plain.get(name, {}))
    plain["shadow"] = _shadow(plain.get("shadow"))
    plain["skills"] = _selection(plain.get("skills"))
    plain["decided_at"] = moment_of(plain["decided_at"])
    return Decision(**plain)


def outcome_from(canonical: str) -> Outcome:
    """The outcome that `entry_of` wrote; an old one lacks the verifier and what it said."""
    plain = _without_kind(canonical)
    plain["quality"] = None if plain["quality"] is None else float(plain["quality"])
    plain["usage"] = TokenUsage(**{name: int(count) for name, count in plain["usage"].items()})
    plain["cost_usd"] = Decimal(plain["cost_usd"])
    plain["latency_seconds"] = float(plain["latency_seconds"])
    plain["happened_at"] = moment_of(plain["happened_at"])
    return Outcome(**plain)


def reward_from(canonical: str) -> Reward:
    plain = _without_kind(canonical)
    plain["value"] = float(plain["value"])
    if "cost_usd" in plain:  # older ones hold the value alone
        plain["quality"] = None if plain["quality"] is None else float(plain["quality"])
        plain["cost_usd"] = Decimal(plain["cost_usd"])
        plain["latency_seconds"], plain["joules"] = float(plain["latency_seconds"]), float(plain["joules"])
    plain["rewarded_at"] = moment_of(plain["rewarded_at"])
    return Reward(**plain)


def policy_version_from(canonical: str) -> PolicyVersion:
    """As it was registered; its moves tell what became of it."""
    plain = _without_kind(canonical)
    plain["candidates"] = tuple(plain["candidates"])
    plain["registered_at"] = moment_of(plain["registered_at"])
    plain["changed_at"] = moment_of(plain["changed_at"])
    return PolicyVersion(**plain)


def version_move_from(canonical: str) -> VersionMove:
    plain = _without_kind(canonical)
    plain["moved_at"] = moment_of(plain["moved_at"])
    return VersionMove(**plain)


def span_text(span: Span) -> str:
    """The span as JSON: spans are kept beside the log, in the same form."""
    return canonical_json({name: getattr(span, name) for name in span.__dataclass_fields__})


def span_from(text: str) -> Span:
    plain = parsed(text)
    plain["started_at"] = moment_of(plain["started_at"])
    plain["seconds"] = float(plain["seconds"])
    return Span(**plain)


def _without_kind(canonical: str) -> Plain:
    plain = parsed(canonical)
    plain.pop("kind", None)
    return plain


def _assessment(plain: Plain) -> Assessment:
    plain["probability"] = float(plain["probability"])
    plain["score"] = float(plain["score"])
    plain["contributions"] = _floats(plain["contributions"])
    plain["worst_case_usd"] = Decimal(plain["worst_case_usd"])
    return Assessment(**plain)


def _shadow(plain: Plain | None) -> ShadowChoice | None:
    return None if plain is None else ShadowChoice(**{**plain, "probability": float(plain["probability"])})


def _selection(plain: Plain | None) -> SkillSelection | None:
    if plain is None:
        return None
    plain["considered"] = tuple(ConsideredSkill(**_with_floats(each, SCORES)) for each in plain["considered"])
    return SkillSelection(**_with_floats(plain, ("fit_probability", "seconds")))


def _with_floats(plain: Plain, names: Sequence[str]) -> Plain:
    """The object with these of its numbers as floats; one that is empty or not there stays so."""
    return plain | {name: float(plain[name]) for name in names if plain.get(name) is not None}


def _floats(plain: Plain) -> dict[str, float]:
    return {name: float(number) for name, number in plain.items()}


def _column(value: object, field: str) -> str | None:
    if value is None:
        return None
    return iso(value, field=field) if isinstance(value, datetime) else checked_id(str(value), field)


def _in_utf16_order(plain: Plain) -> orjson.Fragment:
    """The object with its keys as RFC 8785 orders them, which is not the order of their UTF-8."""
    keys = sorted(plain, key=lambda key: key.encode("utf-16-be"))
    members = (orjson.dumps(key) + b":" + orjson.dumps(plain[key], option=orjson.OPT_SORT_KEYS) for key in keys)
    return orjson.Fragment(b"{" + b",".join(members) + b"}")


def _plain(value: Any, field: str) -> Any:
    """The value in JSON's types, each number in a form that orjson writes as RFC 8785 does."""
    encode = TYPE_TO_ENCODER.get(type(value)) or _encoder_of(value, field)
    return encode(value, field)


def _encoder_of(value: Any, field: str) -> Encoder:
    if is_dataclass(value):
        return _plain_record
    for kind, encode in BASE_TO_ENCODER.items():
        if isinstance(value, kind):
            return encode
    raise InvalidInput(f"{field or 'value'} {value!r} has no JSON form; give text, numbers or records.", field=field)


def _same(value: Any, field: str) -> Any:
    return value


def _text(value: str, field: str) -> str:
    return value if value.isascii() else LONE_SURROGATE.sub("\ufffd", value)


def _plain_text(value: str, field: str) -> str:
    return _text(str(value), field)


def _plain_integer(value: Any, field: str) -> int | str:
    number = int(value)
    return number if abs(number) <= LARGEST_EXACT_INTEGER else str(number)


def _plain_list(value: Any, field: str) -> list[Any]:
    return [TYPE_TO_ENCODER.get(type(each), _plain)(each, field) for each in value]


def _plain_record(value: Any, field: str) -> Plain:
    find = TYPE_TO_ENCODER.get
    result = {}
    for name in value.__dataclass_fields__:
        each = getattr(value, name)
        result[name] = find(type(each), _plain)(each, name)
    return result


def _plain_money(value: Decimal, field: str) -> str:
    if not value.is_finite():
        raise InvalidInput(f"{field or 'amount'} {value!r} is no amount of money; give a finite one.", field=field)
    return format(value, "f")


def _plain_time(value: datetime, field: str) -> str:
    return iso(value, field=field)


def _plain_mapping(value: Mapping[Any, Any], field: str) -> Plain | orjson.Fragment:
    find, is_ascii = TYPE_TO_ENCODER.get, True
    result = {}
    for key, each in value.items():
        if type(key) is not str or not key.isascii():
            if not isinstance(key, str):
                raise InvalidInput(f"{field or 'mapping'} has the key {key!r}; keys must be text.", field=field)
            key = _plain_text(key, field)
            is_ascii = is_ascii and key.isascii()
        result[key] = find(type(each), _plain)(each, field or key)
    return result if is_ascii else _in_utf16_order(result)


def _float(value: float, field: str) -> int | float | orjson.Fragment:
    is_written_alike = (1e-4 <= value < 1e15 or -1e15 < value <= -1e-4) and not value.is_integer()
    return value if is_written_alike else _number(value, field)


def _number(value: Any, field: str) -> int | float | orjson.Fragment:
    number = float(value)
    if not math.isfinite(number):
        raise InvalidInput(f"{field or 'number'} is {number!r}; give a finite number.", field=field)
    magnitude = abs(number)
    if magnitude <= LARGEST_EXACT_INTEGER and number.is_integer():
        return int(number)
    if 1e-4 <= magnitude < 1e15:
        return number
    import rfc8785  # very small and very large numbers: the two write exponents differently

    return orjson.Fragment(rfc8785.dumps(number))


TYPE_TO_ENCODER: dict[type, Encoder] = {
    str: _text,
    float: _float,
    type(None): _same,
    bool: _same,
    int: _plain_integer,
    dict: _plain_mapping,
    tuple: _plain_list,
    list: _plain_list,
    Decimal: _plain_money,
    datetime: _plain_time,
}
# For subclasses and kin (a NumPy float is Real): the first that fits.
BASE_TO_ENCODER: dict[type, Encoder] = {
    str: _plain_text,
    Decimal: _plain_money,
    datetime: _plain_time,
    Mapping: _plain_mapping,
    Integral: _plain_integer,
    Real: _number,
    tuple: _plain_list,
    list: _plain_list,
}
