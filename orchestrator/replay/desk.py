"""Replays for a running service: one at a time, within limits, and only of what the asker may see."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from orchestrator.errors import DeadlineExceeded, Overloaded
from orchestrator.replay.decisions import replay_decisions
from orchestrator.replay.parts import ReplayParts
from orchestrator.replay.records import Comparison, Replays, TrafficFilter, TrafficReplay
from orchestrator.replay.traffic import TrafficOptions, compare, replay_traffic
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput

MOST_IDS = 100  # decisions and runs that one request may name
MOST_DECISIONS = 10_000  # of traffic
SECONDS = 60.0  # that one replay may take
MOST_IN_LINE, MOST_OF_ONE = 8, 4  # replays that run or wait: of all askers, and of one tenant's
GRACE_SECONDS = 5.0  # more until it is broken off in what it is just doing


@dataclass(frozen=True, kw_only=True)
class ReplayDesk:
    """What REST and the console call. A replay takes a processor for seconds: the next one waits for its end.

    All raise Overloaded where too many wait already.
    """

    parts: ReplayParts
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    in_line: Counter[str | None] = field(default_factory=Counter)  # by tenant; None: those who see all tenants

    async def decisions(self, ids: Sequence[str], *, tenant: str | None) -> Replays:
        """`tenant`: whose decisions may be seen; None: everybody's. Raises RecordNotFound, InvalidInput."""
        if len(ids) > MOST_IDS:
            raise InvalidInput(f"{len(ids)} ids; at most {MOST_IDS} are replayed at once.", field="ids")
        async with self._own_turn(tenant):
            return await replay_decisions(self.parts, ids, tenant=tenant, seconds=SECONDS / 2)

    async def traffic(
        self, router: str, wanted: TrafficFilter, *, tenant: str | None, on_progress: Progress = no_progress
    ) -> TrafficReplay:
        """Raises as `replay_traffic`. Folders are not read: a caller has no business with the service's files."""
        async with self._own_turn(tenant):
            return await replay_traffic(self.parts, router, _seen_by(wanted, tenant), _options(on_progress))

    async def compare(
        self, first: str, second: str, wanted: TrafficFilter, *, tenant: str | None, on_progress: Progress = no_progress
    ) -> Comparison:
        """Raises as `traffic`."""
        async with self._own_turn(tenant):
            return await compare(self.parts, first, second, _seen_by(wanted, tenant), _options(on_progress))

    @asynccontextmanager
    async def _own_turn(self, tenant: str | None) -> AsyncGenerator[None, None]:
        if self.in_line.total() >= MOST_IN_LINE or self.in_line[tenant] >= MOST_OF_ONE:
            raise Overloaded(
                f"{self.in_line.total()} replays run or wait for their turn.",
                hint="Ask again when they have ended, or replay on the command line: antroute replay",
            )
        self.in_line[tenant] += 1
        try:
            async with self.turn, _in_time():
                yield
        finally:
            self.in_line[tenant] -= 1


@asynccontextmanager
async def _in_time() -> AsyncGenerator[None, None]:
    """Reading the log counts, too. Raises DeadlineExceeded."""
    try:
        async with asyncio.timeout(SECONDS + GRACE_SECONDS):
            yield
    except TimeoutError as exc:
        raise DeadlineExceeded(
            f"The replay took more than {SECONDS:g} s.", hint="Take fewer: a later `since`, or a lower `limit`."
        ) from exc


def _options(on_progress: Progress) -> TrafficOptions:
    return TrafficOptions(seconds=SECONDS, on_progress=on_progress)


def _seen_by(wanted: TrafficFilter, tenant: str | None) -> TrafficFilter:
    if wanted.limit > MOST_DECISIONS:
        raise InvalidInput(f"`limit` is {wanted.limit}; at most {MOST_DECISIONS} are replayed here.", field="limit")
    return wanted if tenant is None else replace(wanted, tenant=tenant)
