"""Scheme of a store's URL to the function that opens it; nothing heavy is imported until named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Literal, cast, get_args

from storage.errors import InvalidInput
from storage.stores import Stores

Mode = Literal["sync", "grouped"]

SCHEME_TO_OPENER = {
    "memory": "storage.memory:open_memory",
    "sqlite": "storage.sql.stores:open_sql",
    "postgresql": "storage.sql.stores:open_sql",
    "postgres": "storage.sql.stores:open_sql",
}
EXAMPLES = "memory:, sqlite:///antroute.db, postgresql://user@host/database"


async def open_stores(url: str, *, mode: Mode = "sync", writer: str | None = None) -> Stores:
    """Opens every store behind the URL and brings its tables up to date.

    `sync` answers a write after its commit, `grouped` once it is queued. `writer` names this opening's chain in
    the audit log; None makes a name, and a name that already has a chain goes on with it.
    Raises InvalidInput for a URL or mode that nobody knows, StorageUnavailable when the database cannot be had.
    """
    scheme = url.partition(":")[0].partition("+")[0].lower()
    if ":" not in url or scheme not in SCHEME_TO_OPENER:
        shown = scheme if ":" in url else url  # the rest may hold a password
        raise InvalidInput(f"No store for {shown!r}; known: {EXAMPLES}.", field="url")
    if mode not in get_args(Mode):
        raise InvalidInput(f"No mode {mode!r}; known: {', '.join(get_args(Mode))}.", field="mode")
    module, _, name = SCHEME_TO_OPENER[scheme].partition(":")
    opener = cast("Callable[..., Awaitable[Stores]]", getattr(import_module(module), name))
    return await opener(url, mode=mode, writer=writer)
