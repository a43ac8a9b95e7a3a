"""What a store must do. Upper floors know these protocols and no backend.

Everything durable goes in through `Journal.write`; everything else here reads, but for the budgets, whose
holds must answer at once. A read sees every write that was acknowledged before it, grouped or not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from storage.audit_records import Link, LoggedRow, TextRow
from storage.budget_stores import BudgetStore as BudgetStore
from storage.checkpoint_records import CheckpointStore
from storage.job_records import Fence
from storage.records import AuditEvent, Decision, Outcome, Payload, Reward, Span
from storage.records import Item as Item
from storage.run_records import RunRecords
from storage.service_stores import DeliveryStore, JobStore, KeyStore
from storage.skill_records import SkillMove, SkillState, SkillVersion
from storage.summary_records import SummaryStore as SummaryStore
from storage.trail_records import TrailEvent, TrailSnapshot
from storage.version_records import PolicyVersion, ServingVersions, VersionMove, VersionState


@dataclass(frozen=True, kw_only=True)
class DecisionFilter:
    """Which decisions; None means any. Newest first."""

    tenant: str | None = None
    run_id: str | None = None
    candidate_id: str | None = None
    policy: str | None = None
    since: datetime | None = None
    before_position: int | None = None  # keyset cursor: only decisions older than this place in the log
    limit: int = 50


@dataclass(frozen=True, kw_only=True)
class StoredDecision:
    """A decision with its place in the log, which is the cursor to the next page."""

    position: int
    decision: Decision


@dataclass(frozen=True, kw_only=True)
class RewardedDecision:
    """A decision with a reward: the latest one where nothing else is said."""

    decision: Decision
    reward: Reward
    position: int = 0  # of the reward in the log; 0: not told


class Journal(Protocol):
    async def write(self, *items: Item, fence: Fence | None = None) -> None:
        """All of the items or none, in this order; with a `fence`, only while that is good.

        In `sync` mode it returns after the commit; in `grouped` mode as soon as the items are queued, but for a write
        that holds a verdict (an outcome with status `judged`): its id may be made from a caller's key and be taken
        already, so it too returns after the commit and its caller hears of the conflict; and but for one under a fence.
        Raises LeaseLost, RecordNotFound when an outcome or reward names an unknown decision, InvalidInput when an id
        is taken by other content, StorageUnavailable when the database does not take the write (grouped: on this or a
        later call; queued items are kept and retried). Never raises because of somebody else's items: a queued write
        found at its commit to be refused is logged by its ids, and told by `flush` or the closing of the store.
        """
        ...

    async def flush(self) -> None:
        """Returns when everything written so far is committed.

        Raises StorageError, once, if queued writes were refused: how many, and the ids of the first; all others are
        stored. StorageUnavailable when the database does not take them; they are kept and retried.
        """
        ...


class DecisionStore(Protocol):
    async def get(self, decision_id: str) -> Decision: ...
    async def find(self, wanted: DecisionFilter) -> list[StoredDecision]: ...
    async def outcomes_of(self, decision_id: str) -> list[Outcome]: ...
    async def rewards_of(self, decision_id: str) -> list[Reward]: ...
    async def outcomes(self, *, limit: int) -> list[Outcome]:
        """The newest ones of all decisions, oldest of them first: what verifiers' errors are counted from at start."""
        ...

    async def rewarded(self, *, limit: int) -> list[RewardedDecision]:
        """The newest rewarded decisions, oldest of them first: what a policy learns again after a restart."""
        ...

    async def rewarded_elsewhere(self, *, after_position: int, limit: int) -> list[RewardedDecision]:
        """Decisions whose first reward another opening of the store wrote, after this place in the log, oldest first.

        What the policies of this process have yet to learn from the others'.
        """
        ...

    async def payload_ids(self, decision_ids: Sequence[str]) -> dict[str, str]:
        """Where the texts are that these were made for, at one read, by decision; who is not there is not in it."""
        ...


class TraceStore(Protocol):
    async def spans_of(self, run_id: str) -> list[Span]: ...

    async def runs(self, run_ids: Sequence[str]) -> dict[str, RunRecords]:
        """All that is stored of these runs but their texts, at one read, by run; empty for an unknown one."""
        ...


class PayloadStore(Protocol):
    async def get(self, payload_id: str) -> Payload: ...
    async def erase(self, payload_id: str) -> Payload:
        """Removes text and salt for good and logs a `payload_erased` event; a second call changes nothing.

        Embeddings of the text go with it, as do snapshots of trails that may hold them; each memory that had one gets
        an event `erased`.
        """
        ...


class AuditLog(Protocol):
    async def last_position(self) -> int:
        """Of the newest event; 0: the log is empty."""
        ...

    async def events(self, *, after_position: int = 0, limit: int = 1000) -> list[AuditEvent]:
        """Events in log order, exactly as the rows stand."""
        ...

    async def event(self, kind: str, subject_id: str) -> AuditEvent:
        """Raises RecordNotFound."""
        ...

    async def rows(self, *, after_position: int = 0, limit: int = 1000) -> list[LoggedRow]:
        """As `events`, quicker."""
        ...

    async def links(self, *, after_position: int = 0, limit: int = 1000) -> list[Link]:
        """Of the same events what trees and chains are made of."""
        ...

    async def payloads(self, payload_ids: Sequence[str]) -> dict[str, Payload]:
        """The payloads of these ids that are there."""
        ...

    async def text_rows(self, payload_ids: Sequence[str]) -> dict[str, TextRow]:
        """The same as their rows stand, quicker: for checking digests."""
        ...


class PolicyVersionStore(Protocol):
    """Trained routers: candidate → shadow → active → retired; one is active and one is shadow at most.

    Every change is an event of the audit log (`router_registered`, `router_moved`), and there is no other record of it.
    """

    async def register(self, version: PolicyVersion, files: Mapping[str, bytes]) -> PolicyVersion:
        """Keeps the version and its files as a candidate; the same artefact again gives the version it has already.

        Raises InvalidInput for files beyond MOST_ARTIFACT_BYTES, or for an id that another artefact has.
        """
        ...

    async def get(self, version_id: str) -> PolicyVersion:
        """By id or the beginning of one. Raises RecordNotFound; InvalidInput where several begin so."""
        ...

    async def versions(self) -> list[PolicyVersion]:
        """All, in the order of registration."""
        ...

    async def moves_of(self, version_id: str) -> list[VersionMove]:
        """What became of the version, oldest first."""
        ...

    async def serving(self) -> ServingVersions:
        """Who serves now: one cheap query, to be asked often."""
        ...

    async def active(self) -> PolicyVersion | None: ...

    async def shadow(self) -> PolicyVersion | None: ...

    async def move(
        self,
        version_id: str,
        to_state: VersionState,
        *,
        reason: str,
        expected: ServingVersions | None = None,
        is_forced: bool = False,
    ) -> PolicyVersion:
        """The version in its new state. Who holds the place makes room in the same transaction.

        `expected`: what the caller saw serving when deciding. Raises VersionConflict, and changes nothing, when
        something was moved since, or when the version cannot go there; RecordNotFound.
        """
        ...

    async def rollback(self, *, reason: str, expected: ServingVersions | None = None) -> PolicyVersion:
        """Makes active again the version that was so before; once more goes one further back.

        Raises VersionConflict where none was, or when something was moved since `expected`.
        """
        ...

    async def artifact(self, version_id: str) -> dict[str, bytes]:
        """The registered files by name. Raises LogCorrupt when one is not as it was registered."""
        ...


@dataclass(frozen=True, kw_only=True)
class SkillFilter:
    """Which skills, in the order of their ids; None means any."""

    library: str | None = None
    state: SkillState | None = None
    name_contains: str | None = None  # without regard to case
    after_id: str | None = None  # keyset cursor
    limit: int = 50


@dataclass(frozen=True, kw_only=True)
class SkillChange:
    """What adding one skill did."""

    skill: SkillVersion  # as it is stored now
    what: Literal["added", "updated", "restored", "unchanged"]


class SkillStore(Protocol):
    """The catalogue of skills. A skill's latest version is what counts; older ones stay for those who ask.

    Every change is an event of the audit log (`skill_versioned`: all but the body, which is quoted by its digest;
    `skill_moved`), written in the same transaction as its row.
    """

    async def put(self, skills: Sequence[SkillVersion]) -> list[SkillChange]:
        """Adds each, all or none, in this order: a new id as version 1, another digest as the next version.

        The digest of the latest version changes nothing, but for a removed skill, which is restored. A version with
        findings of severity `quarantine` starts quarantined whatever its `state` says, unless an operator has allowed
        this very digest of this skill before. Raises InvalidInput for an id that stands twice in `skills`.
        """
        ...

    async def get(self, skill_id: str, *, version: int | None = None) -> SkillVersion:
        """The latest version, or that one. Raises RecordNotFound."""
        ...

    async def get_many(self, skill_ids: Sequence[str]) -> dict[str, SkillVersion]:
        """The latest versions by id, at one read; who is not there is not in it."""
        ...

    async def names(self, *, state: SkillState = "active") -> dict[str, str]:
        """Id to name of all whose latest version is in this state, by id; no body is read."""
        ...

    async def find(self, wanted: SkillFilter) -> list[SkillVersion]:
        """Latest versions only."""
        ...

    async def versions_of(self, skill_id: str) -> list[SkillVersion]:
        """Oldest first. Raises RecordNotFound."""
        ...

    async def digests(self, *, state: SkillState = "active") -> dict[str, str]:
        """Id to digest of all whose latest version is in this state, by id: what an index compares itself with."""
        ...

    async def moves_of(self, skill_id: str) -> list[SkillMove]: ...

    async def move(self, skill_ids: Sequence[str], to_state: SkillState, *, reason: str, by: str) -> list[SkillVersion]:
        """The latest versions in their new state, all or none. Raises RecordNotFound."""
        ...


class TrailStore(Protocol):
    """What pheromone memories learned: append-only events, and snapshots from which any past moment can be rebuilt."""

    async def append(self, events: Sequence[TrailEvent]) -> list[TrailEvent]:
        """The new ones, with their positions; a deposit of a decision that the memory has already is left out.

        So is an event that was written before; all the others are written, or none. An embedding is kept while the
        text `payload_id` is here and not erased. Raises InvalidInput, also for an id that another event has.
        """
        ...

    async def events(
        self, memory: str, *, after_position: int = 0, until: datetime | None = None, limit: int = 1000
    ) -> list[TrailEvent]:
        """In order of position; `until`: none that is later than this moment."""
        ...

    async def put_snapshot(self, snapshot: TrailSnapshot) -> None:
        """Keeps it, unless the memory has one of this position, or a text was erased since whose vector it may hold.

        Of older ones only some stay (`storage.trail_forms.superseded`): events give again what lay between.
        Raises InvalidInput for a state that its digest does not fit.
        """
        ...

    async def snapshot(self, memory: str, *, until: datetime | None = None) -> TrailSnapshot | None:
        """The latest one, or the latest that is not later than this moment. Raises LogCorrupt for a damaged one."""
        ...

    async def known_decisions(self, memory: str, decision_ids: Sequence[str]) -> set[str]:
        """Those of these decisions of which the memory has a deposit."""
        ...


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Every store the service needs, opened together."""

    url: str
    journal: Journal
    decisions: DecisionStore
    traces: TraceStore
    payloads: PayloadStore
    budgets: BudgetStore
    audit: AuditLog
    policy_versions: PolicyVersionStore
    skills: SkillStore
    trails: TrailStore
    jobs: JobStore
    keys: KeyStore
    deliveries: DeliveryStore
    checkpoints: CheckpointStore
    summaries: SummaryStore
    close: Callable[[], Awaitable[None]]
