"""How much a key and its tenant may ask: requests and tokens a minute, and requests at one time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING

from orchestrator.errors import RateLimited
from orchestrator.keys.authenticator import Visitor
from orchestrator.keys.room import Room
from orchestrator.service import Run
from storage.key_records import RateLimits

if TYPE_CHECKING:
    from orchestrator.keys.rate_windows import RateWindows

FAILURES_PER_MINUTE = 30  # wrong keys from one address, after which no more are looked up
PARALLEL_WAIT_SECONDS = 1.0  # told to whoever has too many at one time: nobody knows when one of them ends


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """Whose limits: a key's, or its tenant's."""

    name: str
    words: str  # for people
    rates: RateLimits


@dataclass(kw_only=True)
class Visit:
    """One request while it lasts."""

    holders: tuple[Holder, ...] = ()
    rooms: dict[str, Room] = field(default_factory=dict)  # by what is counted: the one with the least left
    beside: list[str] = field(default_factory=list)  # holders that it has a place of
    tokens: int = 0  # that its runs took

    @property
    def headers(self) -> Mapping[str, str]:
        """As OpenAI names them."""
        headers = {}
        for what, room in self.rooms.items():
            headers[f"x-ratelimit-limit-{what}"] = str(room.limit)
            headers[f"x-ratelimit-remaining-{what}"] = str(room.remaining)
            headers[f"x-ratelimit-reset-{what}"] = f"{ceil(room.reset_seconds)}s"
        return headers


current_visit: ContextVar[Visit | None] = ContextVar("current_visit", default=None)


class TokenCount:
    """Listens to the service's runs: the tokens that each took count for the request that it belongs to."""

    def answered(self, run: Run) -> None:
        if (visit := current_visit.get()) is not None:
            visit.tokens += run.spent.tokens

    def failed(self, code: str) -> None:
        """Nobody says here what it took; its account does, and was charged."""


class Rates:
    """Limits of requests. A rotated key counts together with the one it replaces: both have one account.

    `windows` makes them when they are first needed: a service that nobody sends a key to does without.
    """

    def __init__(self, windows: Callable[[], RateWindows]) -> None:
        self._make_windows = windows
        self._name_to_places: dict[str, int] = {}

    @cached_property
    def windows(self) -> RateWindows:
        """Raises SettingsInvalid for a storage that cannot be used."""
        return self._make_windows()

    async def enter(self, visit: Visit) -> None:
        """Raises RateLimited. Whoever entered has to `leave`."""
        try:
            for holder in visit.holders:
                self._take_place(visit, holder)
                if (most := holder.rates.tokens_per_minute) is not None:
                    _note(visit, "tokens", holder, await self.windows.look(f"tokens/{holder.name}", most))
                if (most := holder.rates.requests_per_minute) is not None:
                    _note(visit, "requests", holder, await self.windows.take(f"requests/{holder.name}", most))
        except BaseException:
            self._give_back(visit)
            raise

    async def leave(self, visit: Visit) -> None:
        """Gives the places back, and counts the tokens that were taken."""
        self._give_back(visit)
        for holder in visit.holders if visit.tokens else ():
            if (most := holder.rates.tokens_per_minute) is not None:
                await self.windows.charge(f"tokens/{holder.name}", most, visit.tokens)

    async def failed(self, client: str) -> None:
        """Counts a wrong key from this address."""
        await self.windows.take(f"failures/{client}", FAILURES_PER_MINUTE)

    async def failures(self, client: str) -> Room:
        """Refused: this address has sent so many wrong keys that no more are looked up for now."""
        return await self.windows.look(f"failures/{client}", FAILURES_PER_MINUTE)

    def _take_place(self, visit: Visit, holder: Holder) -> None:
        most = holder.rates.parallel_requests
        if most is None:
            return
        taken = self._name_to_places.get(holder.name, 0)
        if taken >= most:
            raise refusal(f"{holder.words} has {taken} requests under way; at most {most} are taken.")
        self._name_to_places[holder.name] = taken + 1
        visit.beside.append(holder.name)

    def _give_back(self, visit: Visit) -> None:
        for name in visit.beside:
            self._name_to_places[name] -= 1
            if not self._name_to_places[name]:
                del self._name_to_places[name]
        visit.beside.clear()


def visit_of(visitor: Visitor) -> Visit:
    """Whoever comes without a key of the store, or whose key has no limits, has none."""
    identity, no_limits = visitor.identity, RateLimits()
    if identity.key_id is None or visitor.key_rates == visitor.tenant_rates == no_limits:
        return Visit()
    key = Holder(name=f"key/{identity.account_id}", words=f"Key {identity.key_id!r}", rates=visitor.key_rates)
    tenant = Holder(name=f"tenant/{identity.tenant}", words=f"Tenant {identity.tenant!r}", rates=visitor.tenant_rates)
    return Visit(holders=tuple(each for each in (key, tenant) if each.rates != no_limits))


def refusal(message: str, wait_seconds: float = PARALLEL_WAIT_SECONDS) -> RateLimited:
    error = RateLimited(message)
    error.retry_after_seconds = max(wait_seconds, 1.0)
    return error


def _note(visit: Visit, what: str, holder: Holder, room: Room) -> None:
    """Raises RateLimited where there is no room."""
    known = visit.rooms.get(what)
    if known is None or room.remaining < known.remaining:
        visit.rooms[what] = room
    if room.is_refused:
        raise refusal(f"{holder.words} may take {room.limit} {what} a minute, and has.", room.wait_seconds)
