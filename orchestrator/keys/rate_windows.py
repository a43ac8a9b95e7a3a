"""Sliding windows of a minute, counted by the library `limits`: in this process, or in a Redis that gateways share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from limits import RateLimitItemPerMinute
from limits.aio.storage import SlidingWindowCounterSupport, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from orchestrator.errors import SettingsInvalid
from orchestrator.keys.room import Room
from storage.errors import StorageUnavailable

MOST_WINDOWS = 50_000  # above it, those that have passed are swept once in a window
BEYOND_ALL = 2**62  # no limit: what has been spent is counted, whatever the limit


class LocalWindows(Storage, SlidingWindowCounterSupport):
    """The windows of one process: two numbers each, no thread, no task.

    The library's own storage in memory begins a task at every count, which walks over all windows.
    """

    STORAGE_SCHEME = None  # made by its name, not by a URL

    def __init__(self, uri: str | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(uri)
        self._clock = clock
        self._began = clock()  # windows are counted from here
        self._counts: dict[str, tuple[int, int, int]] = {}  # number of the window, count of the one before, count
        self._swept = 0

    @property
    def base_exceptions(self) -> type[Exception]:
        return ArithmeticError  # nothing that this storage does can fail

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        before, before_seconds, count, _ = await self.get_sliding_window(key, expiry)
        if int(before * before_seconds / expiry + count) + amount > limit:
            return False
        window = int(self._passed() / expiry)
        if len(self._counts) >= MOST_WINDOWS and self._swept != window:
            self._counts = {name: each for name, each in self._counts.items() if each[0] >= window - 1}
            self._swept = window
        self._counts[key] = (window, before, count + amount)
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        now = self._passed()
        window, passed = int(now / expiry), now % expiry
        number, before, count = self._counts.get(key, (window, 0, 0))
        if number == window - 1:
            before, count = count, 0
        elif number != window:
            before = count = 0
        return before, expiry - passed, count, 2 * expiry - passed

    def _passed(self) -> float:
        return max(self._clock() - self._began, 0.0)

    async def clear_sliding_window(self, key: str, expiry: int) -> None:
        self._counts.pop(key, None)

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        await self.acquire_sliding_window_entry(key, BEYOND_ALL, expiry, amount)
        return await self.get(key)

    async def get(self, key: str) -> int:
        return self._counts.get(key, (0, 0, 0))[2]

    async def get_expiry(self, key: str) -> float:
        return self._clock()

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        self._counts.clear()
        return None

    async def clear(self, key: str) -> None:
        self._counts.pop(key, None)


class RateWindows:
    """Windows by name. Raises StorageUnavailable where the shared storage is away."""

    def __init__(self, storage: Storage) -> None:
        """Raises SettingsInvalid for a storage without sliding windows."""
        if not isinstance(storage, SlidingWindowCounterSupport):
            raise SettingsInvalid(f"server.rate_limit_storage: {type(storage).__name__} has no sliding windows.")
        self._storage: SlidingWindowCounterSupport = storage
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._items: dict[int, RateLimitItemPerMinute] = {}

    @classmethod
    def at(cls, url: str | None) -> RateWindows:
        """None: in this process. Raises SettingsInvalid for a URL that is none, or whose library is missing."""
        if url is None:
            return cls(LocalWindows())
        try:
            storage = storage_from_string(f"async+{url}", wrap_exceptions=True, **_client(url))
        except ConfigurationError as exc:
            raise SettingsInvalid(
                f"server.rate_limit_storage cannot be used: {str(exc).replace(url, '…')}.",
                hint='Give redis://HOST:PORT, and pip install "antroute[redis]".',
            ) from exc
        if not isinstance(storage, Storage):
            raise SettingsInvalid("server.rate_limit_storage has no asynchronous storage.")
        return cls(storage)

    async def take(self, name: str, limit: int) -> Room:
        """One of `limit` a minute, unless there is none left: then the room is refused."""
        item = self._item(limit)
        try:
            is_taken = await self._limiter.hit(item, name)
        except StorageError as exc:
            raise _away(exc) from exc
        return replace(await self._room(item, name), is_refused=not is_taken)

    async def look(self, name: str, limit: int) -> Room:
        """Takes nothing; refused where nothing is left."""
        return await self._room(self._item(limit), name)

    async def charge(self, name: str, limit: int, amount: int) -> None:
        """Counts what has been spent, also beyond the limit: it weighs on the next minute."""
        item = self._item(limit)
        try:
            await self._storage.acquire_sliding_window_entry(item.key_for(name), BEYOND_ALL, item.get_expiry(), amount)
        except StorageError as exc:
            raise _away(exc) from exc

    async def _room(self, item: RateLimitItemPerMinute, name: str) -> Room:
        minute = item.get_expiry()
        try:
            before, before_seconds, count, seconds = await self._storage.get_sliding_window(item.key_for(name), minute)
        except StorageError as exc:
            raise _away(exc) from exc
        left = max(seconds - minute, 0.0)  # of the window that runs
        remaining = max(item.amount - int(before * before_seconds / minute + count), 0)
        return Room(
            limit=item.amount,
            remaining=remaining,
            reset_seconds=left + minute if count else left if before else 0.0,
            wait_seconds=_wait(before, count, left, limit=item.amount, minute=minute),
            is_refused=not remaining,
        )

    def _item(self, limit: int) -> RateLimitItemPerMinute:
        if limit not in self._items:
            self._items[limit] = RateLimitItemPerMinute(limit)
        return self._items[limit]


def _client(url: str) -> dict[str, str]:
    """Of the clients for Redis the one whose every version the library can use."""
    return {"implementation": "redispy"} if url.startswith("redis") else {}


def _wait(before: int, count: int, left: float, *, limit: int, minute: int) -> float:
    """Seconds until the count of this window and the fading one before it are below the limit."""
    if count >= limit:  # only when this one fades, too
        return left + minute * (1 - limit / count)
    return max(left - minute * (limit - count) / before, 0.0) if before else 0.0


def _away(error: StorageError) -> StorageUnavailable:
    return StorageUnavailable(f"The storage of rate limits does not answer: {type(error.storage_error).__name__}.")
