"""Parts of a service that another process does for it, where there is one that does them for many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.router_watch import RouterSource
from routing.registry import EncoderChoice


@dataclass(frozen=True, kw_only=True)
class Borrowed:
    """What is None, the service builds itself."""

    encoder: EncoderChoice | None = None
    routers: RouterSource | None = None
    notices: Callable[[], tuple[str, ...]] = tuple  # which of them are not to be had just now
