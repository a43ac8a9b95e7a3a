"""Starts a Ray cluster on this machine, or joins one; ends or leaves it afterwards."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.cluster.errors import ClusterUnavailable
from orchestrator.ray_settings import RaySettings

LOCAL = "local"
TOKEN_BYTES = 32


@contextmanager
def joined(address: str, settings: RaySettings) -> Iterator[None]:
    """`local` starts a cluster for this process alone; anything else joins the one at that address.

    Must be entered in the main thread, which Ray's own processes die with. The local cluster listens on loopback only
    and demands a token that nobody else is told. Raises ClusterUnavailable.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address == LOCAL:
        # Ray reads these when it is first imported.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(TOKEN_BYTES)
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's switch for: this machine only, on 127.0.0.1
    import ray
    from ray.exceptions import RayError

    try:
        if address == LOCAL:
            ray.init(
                include_dashboard=False,
                object_store_memory=settings.object_store_mb * 1_000_000,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        else:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, OSError, RuntimeError, ValueError, RayError) as exc:
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        raise ClusterUnavailable(
            f"No Ray cluster at {address!r}: {reason}",
            hint="Start it: `ray start --head`, and `ray start --address=HEAD:6379` on this machine too; both need "
            "RAY_AUTH_MODE=token and the same token. Or take `--ray local`.",
        ) from exc
    try:
        yield
    finally:
        ray.shutdown()
