"""Decisions, outcomes and rewards as they are read back from the audit log, their only home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select

from storage.canonical import checked_id, decision_from, iso, outcome_from, payload_id_in, reward_from
from storage.errors import RecordNotFound
from storage.records import Decision, Outcome, Reward
from storage.sql.store import SqlStore
from storage.sql.tables import audit_events
from storage.stores import DecisionFilter, RewardedDecision, StoredDecision

REWARDS_A_PAGE = 500

# Which filters lead the search, the first that are all given.
INDEXED = (("run_id",), ("tenant", "candidate_id"), ("tenant", "policy"), ("tenant",), ("candidate_id",), ("policy",))

events = audit_events.c
audit = audit_events.alias("audit")
ONE_DECISION = select(events.canonical).where(events.kind == "decision", events.subject_id == bindparam("id"))
SOME_DECISIONS = select(events.subject_id, events.canonical).where(
    events.kind == "decision", events.subject_id.in_(bindparam("ids", expanding=True))
)
OF_DECISION = (
    select(events.canonical)
    .where(events.decision_id == bindparam("id"), events.kind == bindparam("kind"))
    .order_by(events.position)
)
REWARDS = (
    select(events.position, events.decision_id, events.canonical)
    .where(events.kind == "reward", events.position < bindparam("before"))
    .order_by(events.position.desc())
    .limit(REWARDS_A_PAGE)
)
OUTCOMES = (
    select(events.canonical).where(events.kind == "outcome").order_by(events.position.desc()).limit(bindparam("limit"))
)
earlier = audit_events.alias("earlier")
ELSEWHERE = (
    select(events.position, events.decision_id, events.canonical)
    .where(
        events.kind == "reward",
        events.position > bindparam("after"),
        events.writer != bindparam("writer"),
        ~select(earlier.c.position)
        .where(
            earlier.c.decision_id == events.decision_id,
            earlier.c.kind == "reward",
            earlier.c.position < events.position,
        )
        .exists(),
    )
    .order_by(events.position)
    .limit(bindparam("limit"))
)
AFTER_EVERYTHING = 2**63 - 1


class SqlDecisionStore(SqlStore):
    async def get(self, decision_id: str) -> Decision:
        checked_id(decision_id, "decision_id")
        text = await self.read(lambda connection: connection.execute(ONE_DECISION, {"id": decision_id}).scalar())
        if text is None:
            raise RecordNotFound(f"No decision {decision_id!r}.")
        return decision_from(text)

    async def find(self, wanted: DecisionFilter) -> list[StoredDecision]:
        query = _page(wanted)
        rows = await self.read(lambda connection: connection.execute(query).all())
        return [StoredDecision(position=row.position, decision=decision_from(row.canonical)) for row in rows]

    async def outcomes_of(self, decision_id: str) -> list[Outcome]:
        return [outcome_from(text) for text in await self._of_decision(decision_id, "outcome")]

    async def rewards_of(self, decision_id: str) -> list[Reward]:
        return [reward_from(text) for text in await self._of_decision(decision_id, "reward")]

    async def outcomes(self, *, limit: int) -> list[Outcome]:
        values = {"limit": max(limit, 0)}
        texts = await self.read(lambda connection: list(connection.execute(OUTCOMES, values).scalars()))
        return [outcome_from(text) for text in reversed(texts)]

    async def rewarded(self, *, limit: int) -> list[RewardedDecision]:
        return await self.read(lambda connection: _rewarded(connection, limit))

    async def rewarded_elsewhere(self, *, after_position: int, limit: int) -> list[RewardedDecision]:
        values = {"after": after_position, "writer": self.writer.writer, "limit": max(limit, 0)}
        return await self.read(lambda connection: _elsewhere(connection, values))

    async def payload_ids(self, decision_ids: Sequence[str]) -> dict[str, str]:
        values = {"ids": [checked_id(each, "decision_id") for each in decision_ids]}
        rows = await self.read(lambda connection: connection.execute(SOME_DECISIONS, values).all())
        return {row.subject_id: payload_id_in(row.canonical) for row in rows}

    async def _of_decision(self, decision_id: str, kind: str) -> list[str]:
        values = {"id": checked_id(decision_id, "decision_id"), "kind": kind}
        return await self.read(lambda connection: list(connection.execute(OF_DECISION, values).scalars()))


def _page(wanted: DecisionFilter) -> Select[tuple[int, str]]:
    """The query of one page. It names the index: a planner without statistics guesses, and scans a whole log."""
    query = select(events.position, events.canonical).where(_unindexed(events.kind) == "decision")
    values = {name: getattr(wanted, name) for name in ("tenant", "run_id", "candidate_id", "policy")}
    given = {name: checked_id(value, name) for name, value in values.items() if value is not None}
    leading = next((names for names in INDEXED if given.keys() >= set(names)), ())
    for name, value in given.items():
        query = query.where((events[name] if name in leading else _unindexed(events[name])) == value)
    if wanted.since is not None:
        since = iso(wanted.since, field="since")
        # + 0: over the index by time; SQLite would else look for the least position along the log
        first = select(func.min(audit.c.position + 0)).where(audit.c.kind == "decision", audit.c.at >= since)
        query = query.where(events.position >= first.scalar_subquery(), _unindexed(events.at) >= since)
    if wanted.before_position is not None:
        query = query.where(events.position < wanted.before_position)
    return query.order_by(events.position.desc()).limit(max(wanted.limit, 0))


def _unindexed(column: ColumnElement[str]) -> ColumnElement[str]:
    """The column in a form that no index serves."""
    return func.coalesce(column, "")


def _rewarded(connection: Connection, limit: int) -> list[RewardedDecision]:
    """Walks the rewards back from the newest, a page at a time, until enough decisions are seen."""
    latest: dict[str, str] = {}
    before = AFTER_EVERYTHING
    while len(latest) < limit:
        rows = connection.execute(REWARDS, {"before": before}).all()
        for row in rows:
            if len(latest) < limit:
                latest.setdefault(row.decision_id, row.canonical)
        if len(rows) < REWARDS_A_PAGE:
            break
        before = rows[-1].position
    decisions = _texts(connection, list(latest))
    return [
        RewardedDecision(decision=decision_from(decisions[each]), reward=reward_from(latest[each]))
        for each in reversed(latest)
    ]


def _elsewhere(connection: Connection, values: Mapping[str, object]) -> list[RewardedDecision]:
    rows = connection.execute(ELSEWHERE, values).all()
    decisions = _texts(connection, [row.decision_id for row in rows])
    return [
        RewardedDecision(
            decision=decision_from(decisions[row.decision_id]),
            reward=reward_from(row.canonical),
            position=row.position,
        )
        for row in rows
    ]


def _texts(connection: Connection, decision_ids: Sequence[str]) -> dict[str, str]:
    decisions: dict[str, str] = {}
    for start in range(0, len(decision_ids), REWARDS_A_PAGE):
        found = connection.execute(SOME_DECISIONS, {"ids": decision_ids[start : start + REWARDS_A_PAGE]})
        decisions |= {row.subject_id: row.canonical for row in found}
    return decisions
