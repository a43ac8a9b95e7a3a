"""Stores in plain dictionaries: the double for tests, with every promise of the databases but durability.

No method awaits between its check and its change, so callers on one event loop never race.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from storage.audit_records import Link, LoggedRow, TextRow
from storage.budget_records import Amount, BudgetAccount, BudgetLimits, Forfeit, Hold
from storage.canonical import (
    Entry,
    checked_id,
    decision_from,
    entry_of,
    iso,
    outcome_from,
    payload_id_in,
    policy_version_from,
    reward_from,
    version_move_from,
)
from storage.chain import erasure, forfeit_from, forfeiture
from storage.errors import RecordNotFound
from storage.job_records import Fence
from storage.memory_checkpoints import MemoryCheckpointStore
from storage.memory_deliveries import MemoryDeliveryStore
from storage.memory_jobs import MemoryJobStore
from storage.memory_keys import MemoryKeyStore
from storage.memory_log import URL, MemoryLog, MemoryStore
from storage.memory_skills import MemorySkillStore
from storage.memory_summaries import MemorySummaryStore
from storage.memory_traces import MemoryTraceStore
from storage.memory_trails import MemoryTrailStore
from storage.money import checked_account, checked_amount, ensure_affordable, lifted
from storage.records import AuditEvent, Decision, Outcome, Payload, Reward, new_id, utc_now
from storage.stores import DecisionFilter, Item, RewardedDecision, StoredDecision, Stores
from storage.version_records import PolicyVersion, ServingVersions, VersionMove, VersionState
from storage.versions import Move, Rollback, VersionHistory, checked_files, checked_version, ensure_free
from storage.writing import already_written, ensure_decisions, ensure_payloads, staged


class MemoryJournal(MemoryStore):
    async def write(self, *items: Item, fence: Fence | None = None) -> None:
        self.log.ensure_open()
        self.log.ensure_fence(fence)
        write = staged(items)
        known = self.log.payloads
        ensure_decisions(write.needed_decisions, [each for each in write.needed_decisions if self._has_decision(each)])
        ensure_payloads(write, {each: known[each].digest for each in write.needed_payloads if each in known})
        new_entries = [entry for key, entry in write.entries.items() if not self._has_entry(key, entry)]
        self.log.ensure_free_payloads(write)
        for span_id, span in write.spans.items():
            if self.log.spans.get(span_id, span) != span:
                raise already_written(span_id)
        self.log.payloads.update(write.payloads)
        self.log.spans.update(write.spans)
        for entry in new_entries:
            self.log.append(entry)

    async def flush(self) -> None:
        self.log.ensure_open()

    def _has_decision(self, decision_id: str) -> bool:
        return ("decision", decision_id) in self.log.entries

    def _has_entry(self, key: tuple[str, str], entry: Entry) -> bool:
        known = self.log.entries.get(key)
        if known is not None and known.canonical != entry.canonical:
            raise already_written(entry.subject_id)
        return known is not None


class MemoryDecisionStore(MemoryStore):
    async def get(self, decision_id: str) -> Decision:
        event = self.log.entries.get(("decision", checked_id(decision_id, "decision_id")))
        if event is None:
            raise RecordNotFound(f"No decision {decision_id!r}.")
        return decision_from(event.canonical)

    async def find(self, wanted: DecisionFilter) -> list[StoredDecision]:
        since = "" if wanted.since is None else iso(wanted.since, field="since")
        found = [
            event
            for event in reversed(self.log.of_kind("decision"))
            if wanted.tenant in (None, event.tenant)
            and wanted.run_id in (None, event.run_id)
            and wanted.candidate_id in (None, event.candidate_id)
            and wanted.policy in (None, event.policy)
            and event.at >= since
            and (wanted.before_position is None or event.position < wanted.before_position)
        ]
        return [
            StoredDecision(position=event.position, decision=decision_from(event.canonical))
            for event in found[: max(wanted.limit, 0)]
        ]

    async def payload_ids(self, decision_ids: Sequence[str]) -> dict[str, str]:
        keyed = {each: self.log.entries.get(("decision", checked_id(each, "decision_id"))) for each in decision_ids}
        return {each: payload_id_in(event.canonical) for each, event in keyed.items() if event is not None}

    async def outcomes_of(self, decision_id: str) -> list[Outcome]:
        events = self.log.of_kind("outcome", decision_id=checked_id(decision_id, "decision_id"))
        return [outcome_from(event.canonical) for event in events]

    async def rewards_of(self, decision_id: str) -> list[Reward]:
        events = self.log.of_kind("reward", decision_id=checked_id(decision_id, "decision_id"))
        return [reward_from(event.canonical) for event in events]

    async def outcomes(self, *, limit: int) -> list[Outcome]:
        events = self.log.of_kind("outcome")
        return [outcome_from(event.canonical) for event in events[max(len(events) - max(limit, 0), 0) :]]

    async def rewarded(self, *, limit: int) -> list[RewardedDecision]:
        latest: dict[str, AuditEvent] = {}
        for event in reversed(self.log.of_kind("reward")):
            if len(latest) >= limit:
                break
            latest.setdefault(event.decision_id or "", event)
        return [
            RewardedDecision(decision=await self.get(decision_id), reward=reward_from(event.canonical))
            for decision_id, event in reversed(latest.items())
        ]

    async def rewarded_elsewhere(self, *, after_position: int, limit: int) -> list[RewardedDecision]:
        return []  # nobody else can open a store in RAM


class MemoryPayloadStore(MemoryStore):
    async def get(self, payload_id: str) -> Payload:
        payload = self.log.payloads.get(checked_id(payload_id, "payload_id"))
        if payload is None:
            raise RecordNotFound(f"No payload {payload_id!r}.")
        return payload

    async def erase(self, payload_id: str) -> Payload:
        self.log.ensure_open()
        payload = await self.get(payload_id)
        if payload.erased_at is not None:
            return payload
        erased = replace(payload, text=None, salt=None, erased_at=utc_now())
        self.log.append(erasure(payload_id, digest=payload.digest, at=erased.erased_at or utc_now()))
        self.log.payloads[payload_id] = erased
        self.log.trails.erase(payload_id, at=erased.erased_at or utc_now())
        return erased


class MemoryBudgetStore(MemoryStore):
    async def open(self, account: BudgetAccount) -> BudgetAccount:
        self.log.ensure_open()
        checked_id(account.id, "account_id")
        opened = checked_account(account, self.log.accounts.get(account.id))
        if opened.parent_id is not None:
            await self.get(opened.parent_id)
        self.log.accounts[account.id] = opened
        return opened

    async def get(self, account_id: str) -> BudgetAccount:
        account = self.log.accounts.get(checked_id(account_id, "account_id"))
        if account is None:
            raise RecordNotFound(f"No budget account {account_id!r}; open it first.")
        return account

    async def line(self, account_id: str) -> list[BudgetAccount]:
        await self.get(account_id)
        return self._line(account_id)[::-1]

    async def accounts(self, *, without: str | None = None) -> list[BudgetAccount]:
        wanted = (each for each in self.log.accounts.values() if not without or not each.id.startswith(without))
        return sorted(wanted, key=lambda account: account.id)

    async def open_holds(self, *, limit: int) -> list[Hold]:
        unsettled = [hold for hold in self.log.holds.values() if hold.id not in self.log.settled_holds]
        return sorted(unsettled, key=lambda hold: hold.expires_at)[: max(limit, 0)]

    async def forfeits(self, *, limit: int) -> list[Forfeit]:
        ended = [event for event in reversed(self.log.events) if event.kind == "hold_forfeited"]
        return [forfeit_from(event.canonical) for event in ended[: max(limit, 0)]]

    async def lift(self, account_id: str, more: BudgetLimits) -> BudgetAccount:
        account = await self.get(account_id)
        return await self.open(BudgetAccount.of(account_id, lifted(account.limits, more)))

    async def hold(
        self,
        account_id: str,
        amount: Amount,
        *,
        expires_in_seconds: float,
        fence: Fence | None = None,
        items: Sequence[Item] = (),
    ) -> Hold:
        self.log.ensure_open()
        self.log.ensure_fence(fence)
        amount = checked_amount(amount, "amount")
        await MemoryJournal(self.log).write(*items, fence=fence)
        line = await self.line(account_id)
        for account in reversed(line):
            ensure_affordable(account, amount)
        expires_at = utc_now() + timedelta(seconds=expires_in_seconds)
        hold = Hold(account_id=account_id, amount=amount, expires_at=expires_at)
        self._change(line, held=amount, spent=Amount())
        self.log.holds[hold.id] = hold
        return hold

    async def settle(
        self, hold_id: str, actual: Amount, *, fence: Fence | None = None, items: Sequence[Item] = ()
    ) -> None:
        self.log.ensure_open()
        self.log.ensure_fence(fence)
        actual = checked_amount(actual, "actual")
        hold = self.log.holds.get(checked_id(hold_id, "hold_id"))
        if hold is None:
            raise RecordNotFound(f"No hold {hold_id!r}.")
        if hold_id not in self.log.settled_holds:
            self._settle(hold, actual)
        await MemoryJournal(self.log).write(*items, fence=fence)

    async def reap(self, now: datetime) -> list[Hold]:
        self.log.ensure_open()
        iso(now, field="now")
        unsettled = (hold for hold in self.log.holds.values() if hold.id not in self.log.settled_holds)
        expired = sorted((hold for hold in unsettled if hold.expires_at <= now), key=lambda hold: hold.expires_at)
        for hold in expired:
            self._settle(hold, hold.amount)
            self.log.append(forfeiture(hold, at=now))
        return expired

    def _line(self, account_id: str) -> list[BudgetAccount]:
        """The account and its ancestors, root first."""
        line: list[BudgetAccount] = []
        current: str | None = account_id
        while current is not None:
            line.insert(0, self.log.accounts[current])
            current = line[0].parent_id
        return line

    def _settle(self, hold: Hold, actual: Amount) -> None:
        self._change(self._line(hold.account_id), held=Amount() - hold.amount, spent=actual)
        self.log.settled_holds.add(hold.id)

    def _change(self, line: Sequence[BudgetAccount], *, held: Amount, spent: Amount) -> None:
        for account in line:
            self.log.accounts[account.id] = replace(account, held=account.held + held, spent=account.spent + spent)


class MemoryAuditLog(MemoryStore):
    async def last_position(self) -> int:
        return len(self.log.events)

    async def events(self, *, after_position: int = 0, limit: int = 1000) -> list[AuditEvent]:
        start = max(after_position, 0)  # an event's index is its position less one
        return self.log.events[start : start + max(limit, 0)]

    async def event(self, kind: str, subject_id: str) -> AuditEvent:
        event = self.log.entries.get((kind, checked_id(subject_id, "id")))
        if event is None:
            raise RecordNotFound(f"No {kind} {subject_id!r} is in the log.")
        return event

    async def rows(self, *, after_position: int = 0, limit: int = 1000) -> list[LoggedRow]:
        events = await self.events(after_position=after_position, limit=limit)
        return [LoggedRow(*(getattr(event, name) for name in LoggedRow._fields)) for event in events]

    async def links(self, *, after_position: int = 0, limit: int = 1000) -> list[Link]:
        events = await self.events(after_position=after_position, limit=limit)
        return [Link(each.position, each.writer, each.seq, each.leaf_hash, each.chain_hash) for each in events]

    async def payloads(self, payload_ids: Sequence[str]) -> dict[str, Payload]:
        known = self.log.payloads
        return {payload_id: known[payload_id] for payload_id in payload_ids if payload_id in known}

    async def text_rows(self, payload_ids: Sequence[str]) -> dict[str, TextRow]:
        return {each: text_row(payload) for each, payload in (await self.payloads(payload_ids)).items()}


def text_row(payload: Payload) -> TextRow:
    text = None if payload.text is None else payload.text.encode("utf-8", "surrogatepass")
    erased_at = None if payload.erased_at is None else iso(payload.erased_at)
    return TextRow(payload.id, text, payload.salt, payload.digest, erased_at)


class MemoryPolicyVersionStore(MemoryStore):
    async def register(self, version: PolicyVersion, files: Mapping[str, bytes]) -> PolicyVersion:
        self.log.ensure_open()
        checked = checked_version(version, files)
        history = self._history()
        known = history.of_artifact(checked.artifact_sha256)
        if known is not None:
            return known
        ensure_free(checked, list(history.versions))
        self.log.append(entry_of(checked))
        self.log.artifacts[checked.artifact_sha256] = dict(files)
        return self._history().versions[checked.id]

    async def get(self, version_id: str) -> PolicyVersion:
        return self._history().one(version_id)

    async def versions(self) -> list[PolicyVersion]:
        return list(self._history().versions.values())

    async def moves_of(self, version_id: str) -> list[VersionMove]:
        history = self._history()
        return list(history.moves_of(history.one(version_id).id))

    async def serving(self) -> ServingVersions:
        return self._history().serving

    async def active(self) -> PolicyVersion | None:
        history = self._history()
        return history.versions.get(history.serving.active_id or "")

    async def shadow(self) -> PolicyVersion | None:
        history = self._history()
        return history.versions.get(history.serving.shadow_id or "")

    async def move(
        self,
        version_id: str,
        to_state: VersionState,
        *,
        reason: str,
        expected: ServingVersions | None = None,
        is_forced: bool = False,
    ) -> PolicyVersion:
        wanted = Move(
            id=new_id("move"),
            version_id=version_id,
            to_state=to_state,
            reason=reason,
            expected=expected,
            is_forced=is_forced,
        )
        return self._log(self._history().moves_to(wanted))

    async def rollback(self, *, reason: str, expected: ServingVersions | None = None) -> PolicyVersion:
        return self._log(self._history().rollback(Rollback(id=new_id("move"), reason=reason, expected=expected)))

    async def artifact(self, version_id: str) -> dict[str, bytes]:
        version = await self.get(version_id)
        return checked_files(version, self.log.artifacts[version.artifact_sha256])

    def _history(self) -> VersionHistory:
        return VersionHistory.of(
            (policy_version_from(event.canonical) for event in self.log.of_kind("router_registered")),
            (version_move_from(event.canonical) for event in self.log.of_kind("router_moved")),
        )

    def _log(self, moves: Sequence[VersionMove]) -> PolicyVersion:
        self.log.ensure_open()
        for move in moves:
            self.log.append(entry_of(move))
        return self._history().versions[moves[-1].version_id]


async def open_memory(url: str, *, mode: str = "sync", writer: str | None = None) -> Stores:
    """A fresh, empty set of stores; both modes answer at once."""
    log = MemoryLog(writer=checked_id(writer or new_id("writer"), "writer"))

    async def close() -> None:
        log.is_closed = True

    return Stores(
        url=URL,
        journal=MemoryJournal(log),
        decisions=MemoryDecisionStore(log),
        traces=MemoryTraceStore(log),
        payloads=MemoryPayloadStore(log),
        budgets=MemoryBudgetStore(log),
        audit=MemoryAuditLog(log),
        policy_versions=MemoryPolicyVersionStore(log),
        skills=MemorySkillStore(log),
        trails=MemoryTrailStore(log),
        jobs=MemoryJobStore(log),
        keys=MemoryKeyStore(log),
        deliveries=MemoryDeliveryStore(log),
        checkpoints=MemoryCheckpointStore(log),
        summaries=MemorySummaryStore(log),
        close=close,
    )
