"""The client's verbs of replays, over HTTP."""

from __future__ import annotations

from typing import Any

from orchestrator.client_wire import ClientWire
from orchestrator.replay.records import Comparison, Replays, TrafficFilter, TrafficReplay
from orchestrator.replay.views import comparison_of, replays_of, traffic_of

PATH = "/v1/replays"


class ReplayVerbs(ClientWire):
    """Decisions made again, and stored traffic through another router; for operators."""

    async def replay(self, *ids: str) -> Replays:
        """These decisions, and all of these runs, made again from what is stored. Raises RecordNotFound."""
        return replays_of(await self._send("POST", PATH, {"ids": list(ids)}))

    async def replay_traffic(self, router: str, wanted: TrafficFilter | None = None) -> TrafficReplay:
        """What this router would have done. Raises InvalidInput, ArtifactRefused, DeadlineExceeded."""
        return traffic_of(await self._send("POST", PATH, {"router": router, **_body(wanted or TrafficFilter())}))

    async def compare_routers(self, first: str, second: str, wanted: TrafficFilter | None = None) -> Comparison:
        """Both on the same stored decisions. Raises as `replay_traffic`."""
        body = {"router": first, "against": second, **_body(wanted or TrafficFilter())}
        return comparison_of(await self._send("POST", PATH, body))


def _body(wanted: TrafficFilter) -> dict[str, Any]:
    given = {
        "since": None if wanted.since is None else wanted.since.isoformat(),
        "until": None if wanted.until is None else wanted.until.isoformat(),
        "tenant": wanted.tenant,
        "candidate": wanted.candidate_id,
        "policy": wanted.policy,
        "limit": wanted.limit,
    }
    return {name: value for name, value in given.items() if value is not None}
