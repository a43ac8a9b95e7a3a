"""From what somebody calls a router to one that traffic can be sent through: a folder, a version, or a policy."""

from __future__ import annotations

import asyncio
from pathlib import Path

from orchestrator.replay.lessons import Learner, Shape
from orchestrator.replay.log_walk import relearned
from orchestrator.replay.parts import ReplayParts
from orchestrator.replay.records import RouterKind
from orchestrator.replay.served import encoder_of_folder, encoder_of_version, folder_router, version_router
from orchestrator.replay.targets import PolicyTarget, Target, TrainedTarget
from routing.registry import unknown
from routing.router import AUTO, TRAINED
from storage.errors import InvalidInput, RecordNotFound
from storage.records import Decision

STATIC = ("cheapest", "uniform")  # learn nothing


async def target_of(
    parts: ReplayParts, asked: str, newest: Decision, *, before: int, may_read_folders: bool = False
) -> Target:
    """`newest`: of the traffic; policies learn from decisions like it. `before`: the traffic's place in the log.

    Raises InvalidInput for what nothing is called, ArtifactRefused, EncoderUnavailable, LogCorrupt.
    """
    if asked == AUTO:
        raise InvalidInput(
            f"{AUTO!r} is the trained router or the table, as it comes; name one of them.", field="router"
        )
    if asked in parts.policies() and asked != TRAINED:
        return await _policy(parts, asked, newest, before=before)
    if may_read_folders and await asyncio.to_thread(Path(asked).is_dir):
        return await _trained(parts, asked, "folder")
    return await _trained(parts, asked, "version")


async def _policy(parts: ReplayParts, name: str, newest: Decision, *, before: int) -> PolicyTarget:
    learner = Learner({name: parts.policies()[name]}, Shape.of(newest))
    learns = name not in STATIC
    if learns:
        lessons = await relearned(parts.stores, before=before, limit=parts.relearn_limit)
        await asyncio.to_thread(learner.teach_all, lessons)
    return PolicyTarget(name, learner, learns=learns)


async def _trained(parts: ReplayParts, asked: str, kind: RouterKind) -> TrainedTarget:
    if kind == "folder":
        encoder = await asyncio.to_thread(parts.encoder, await encoder_of_folder(Path(asked)))
        router = await folder_router(Path(asked), encoder=encoder.name)
    else:
        version_id = await _version_id(parts, asked)
        encoder = await asyncio.to_thread(parts.encoder, await encoder_of_version(parts.stores, version_id))
        router = await version_router(parts.stores, version_id, encoder=encoder.name)
    return TrainedTarget(
        asked,
        kind,
        router,
        policy=parts.policies()[TRAINED],
        encoder=encoder,
        weights=parts.weights,
        cache_dir=parts.cache_dir,
    )


async def _version_id(parts: ReplayParts, asked: str) -> str:
    """Raises InvalidInput for an unknown one."""
    versions = parts.stores.policy_versions
    if asked == TRAINED:
        active = await versions.active()
        if active is None:
            raise InvalidInput(
                f"{TRAINED!r} is the active trained router, and none is.",
                field="router",
                hint="Name a version or a folder: antroute routers list",
            )
        return active.id
    try:
        return (await versions.get(asked)).id
    except RecordNotFound as exc:
        known = [*parts.policies(), *(version.id for version in await versions.versions())]
        hint = "Name a version, a policy, or a folder made by `antroute train`."
        raise InvalidInput(unknown("router", asked, known), field="router", hint=hint) from exc
