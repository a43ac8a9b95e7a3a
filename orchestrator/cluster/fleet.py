"""Starts actors on nodes of a Ray cluster, and says which nodes are alive."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from orchestrator.cluster.carried import is_on_one_machine
from orchestrator.cluster.encoders import EncoderActor
from orchestrator.cluster.models import ModelHost, local_models
from orchestrator.cluster.placement import Node
from orchestrator.cluster.scorers import ScorerActor
from orchestrator.cluster.skill_searches import SkillActor, shared_index
from orchestrator.cluster.worker_actor import SharedActors, WorkerActor
from orchestrator.settings import Settings

CALLS = 1000  # of one actor at the same time


@dataclass(kw_only=True)
class RayFleet:
    """`settings`: as they travel. The actors end with this process."""

    settings: Settings
    shared: SharedActors = SharedActors()

    def open(self) -> None:
        """Starts the actors that all workers share; Ray starts them again where they die."""
        ray_settings, settings = self.settings.ray, self.settings
        encoder = scorer = skills = None
        if ray_settings.encoder == "actor":
            encoder = _lasting(EncoderActor).remote(settings.encoder, settings.encoder_dir, most=ray_settings.batch)
        if ray_settings.scorer == "actor":
            scorer = _lasting(ScorerActor).remote(most=ray_settings.batch)
        if ray_settings.skills == "actor" and any(each.found_skills for each in settings.candidates):
            gpus = ray_settings.gpu_share if _has_gpu() else 0.0
            make_index = partial(shared_index, settings, encoder)
            skills = _lasting(SkillActor, num_gpus=gpus).remote(make_index, most=ray_settings.batch)
        self.shared = SharedActors(encoder=encoder, scorer=scorer, skills=skills)

    async def nodes(self) -> list[Node]:
        """Those that may have workers: all that are alive, or this machine's alone where the store is a file of it."""
        import ray

        found = await asyncio.to_thread(ray.nodes)
        own = {each["NodeManagerAddress"] for each in found if each["NodeID"] == own_node()}
        return [
            Node(
                id=each["NodeID"],
                address=each["NodeManagerAddress"],
                cpus=each["Resources"].get("CPU", 0.0),
                gpus=each["Resources"].get("GPU", 0.0),
            )
            for each in found
            if each["Alive"] and (not is_on_one_machine(self.settings) or each["NodeManagerAddress"] in own)
        ]

    def worker(self, node_id: str, host: Any, model_names: tuple[str, ...], routers: Mapping[str, Any]) -> Any:
        """A worker's handle. `host`, `model_names`: of the node's local models."""
        shared = replace(self.shared, models=host, model_names=model_names)
        return _on(node_id, WorkerActor).remote(self.settings, shared, dict(routers))

    def model_host(self, node_id: str) -> Any:
        """The handle of a host for the node's workers; None where no model is local."""
        names = local_models(self.settings)
        return _on(node_id, ModelHost, restarts=-1).remote(self.settings, names) if names else None

    def end(self, handle: Any) -> None:
        """Kills the actor at once."""
        import ray

        ray.kill(handle)


def own_node() -> str:
    """The node that this process is on."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _has_gpu() -> bool:
    import ray

    nodes: Any = ray.nodes
    return any(each["Alive"] and each["Resources"].get("GPU", 0.0) for each in nodes())


def _lasting(kind: type[object], **resources: float) -> Any:
    return _remote(kind, max_restarts=-1, **resources)


def _on(node_id: str, kind: type[object], *, restarts: int = 0) -> Any:
    """No CPUs are asked for: whoever places them counts, and training may use what they leave."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    place = NodeAffinitySchedulingStrategy(node_id, soft=False)
    return _remote(kind, max_restarts=restarts, scheduling_strategy=place)


def _remote(kind: type[object], **options: object) -> Any:
    import ray

    remote: Any = ray.remote  # its types know no `max_concurrency`
    return remote(num_cpus=0, max_concurrency=CALLS, **options)(kind)
