"""The embedded orchestrator's verbs of replays: decisions made again, stored traffic through another router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from orchestrator.replay.records import Comparison, Replays, TrafficFilter, TrafficReplay
    from orchestrator.service import Service


class HasService(Protocol):
    """What the verbs stand on."""

    @property
    def service(self) -> Service: ...


class EmbeddedReplays:
    """The same words as the client's; here a router may be a folder, too, and there is no limit of time."""

    async def replay(self: HasService, *ids: str) -> Replays:
        """These decisions, and all of these runs, made again from what is stored. Raises RecordNotFound."""
        from orchestrator.replay.decisions import replay_decisions

        return await replay_decisions(self.service.replays.parts, ids)

    async def replay_traffic(self: HasService, router: str, wanted: TrafficFilter | None = None) -> TrafficReplay:
        """What this router would have done. Raises InvalidInput, ArtifactRefused."""
        from orchestrator.replay.records import TrafficFilter
        from orchestrator.replay.traffic import TrafficOptions, replay_traffic

        options = TrafficOptions(may_read_folders=True)
        return await replay_traffic(self.service.replays.parts, router, wanted or TrafficFilter(), options)

    async def compare_routers(
        self: HasService, first: str, second: str, wanted: TrafficFilter | None = None
    ) -> Comparison:
        """Both on the same stored decisions. Raises InvalidInput, ArtifactRefused."""
        from orchestrator.replay.records import TrafficFilter
        from orchestrator.replay.traffic import TrafficOptions, compare

        options = TrafficOptions(may_read_folders=True)
        return await compare(self.service.replays.parts, first, second, wanted or TrafficFilter(), options)
