"""Comparisons of routers that were asked for in the console: made beside the requests, a few kept until looked at."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.errors import Overloaded
from orchestrator.identity import Identity
from orchestrator.replay.desk import ReplayDesk
from orchestrator.replay.records import Change, Comparison, Standing, Switch, TrafficFilter, TrafficReplay
from storage.errors import InvalidInput, RecordNotFound, ServiceError
from storage.records import new_id, utc_now

LOGGED = "logged"  # what was really done
MOST_KEPT = 16
MOST_WAITING = 4  # not done yet

log = logging.getLogger("antroute.console")


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """Two routers on the same traffic, in whatever way they were compared; the first stand first."""

    replay: TrafficReplay  # the traffic, and how it was made
    standings: tuple[Standing, ...]  # the two, then what was logged where that is none of them, then references
    from_name: str
    to_name: str
    switches: tuple[Switch, ...]  # from the first one's candidate to the second one's
    changes: tuple[Change, ...]
    changed: int
    notes: tuple[str, ...]

    @classmethod
    def of_comparison(cls, found: Comparison) -> SideBySide:
        one, two = found.first, found.second
        return cls(
            replay=one,
            standings=(one.router, two.router, one.logged, *one.references),
            from_name=one.router.router.name,
            to_name=two.router.router.name,
            switches=found.switches,
            changes=found.changes,
            changed=found.changed,
            notes=tuple(dict.fromkeys((*one.notes, *two.notes, *found.notes))),
        )

    @classmethod
    def of_replay(cls, found: TrafficReplay) -> SideBySide:
        return cls(
            replay=found,
            standings=(found.logged, found.router, *found.references),
            from_name=LOGGED,
            to_name=found.router.router.name,
            switches=found.switches,
            changes=found.changes,
            changed=found.changed,
            notes=found.notes,
        )


@dataclass(kw_only=True, eq=False)
class Comparing:
    """One that was asked for. `tenant`: whose traffic it may see; None: everybody's."""

    first: str
    second: str
    wanted: TrafficFilter
    tenant: str | None
    id: str = field(default_factory=lambda: new_id("comparison"))
    asked_at: datetime = field(default_factory=utc_now)
    done: int = 0
    of: int = 0
    what: str = "waiting for its turn"
    found: SideBySide | None = None
    error: ServiceError | None = None
    task: asyncio.Task[None] | None = None

    @property
    def has_ended(self) -> bool:
        return self.found is not None or self.error is not None

    def progress(self, done: int, of: int, what: str) -> None:
        """Called from whatever thread works."""
        self.done, self.of, self.what = done, of, what


class Comparisons:
    """Of this process; nothing is stored, and the oldest one makes room."""

    def __init__(self, desk: Callable[[], ReplayDesk]) -> None:
        """`desk`: asked when one begins."""
        self._desk = desk
        self._kept: dict[str, Comparing] = {}

    def begin(self, first: str, second: str, wanted: TrafficFilter, identity: Identity) -> Comparing:
        """Raises InvalidInput for two that are one, Overloaded while too many wait."""
        if first == second:
            raise InvalidInput(f"Both are {first!r}; choose two routers.", field="second")
        if sum(not each.has_ended for each in self._kept.values()) >= MOST_WAITING:
            raise Overloaded(f"{MOST_WAITING} comparisons are under way; wait until one has ended.")
        begun = Comparing(first=first, second=second, wanted=wanted, tenant=identity.sees)
        while len(self._kept) >= MOST_KEPT:
            ended = next(each.id for each in self._kept.values() if each.has_ended)
            del self._kept[ended]
        self._kept[begun.id] = begun
        begun.task = asyncio.create_task(self._work(begun), name=begun.id)
        return begun

    def get(self, id: str, identity: Identity) -> Comparing:
        """Raises RecordNotFound, also for another tenant's."""
        found = self._kept.get(id)
        if found is None or (identity.sees is not None and found.tenant != identity.sees):
            raise RecordNotFound(
                f"No comparison {id!r} in this process.", hint="They are not stored: ask for it once more."
            )
        return found

    def of(self, identity: Identity) -> list[Comparing]:
        """Newest first."""
        return [each for each in reversed(self._kept.values()) if identity.sees in (None, each.tenant)]

    async def _work(self, begun: Comparing) -> None:
        try:
            begun.found = await self._compared(begun)
        except ServiceError as error:
            begun.error = error
        except asyncio.CancelledError:
            begun.error = ServiceError("The service was stopped before it ended.")
            raise
        except Exception:  # whatever breaks, the page must not wait for ever
            log.exception("A comparison of routers broke")
            begun.error = ServiceError("It broke; the service's log says how.")

    async def _compared(self, begun: Comparing) -> SideBySide:
        desk, wanted, tenant = self._desk(), begun.wanted, begun.tenant
        if LOGGED in (begun.first, begun.second):
            router = begun.second if begun.first == LOGGED else begun.first
            replay = await desk.traffic(router, wanted, tenant=tenant, on_progress=begun.progress)
            return SideBySide.of_replay(replay)
        found = await desk.compare(begun.first, begun.second, wanted, tenant=tenant, on_progress=begun.progress)
        return SideBySide.of_comparison(found)
