"""Judges step policies beside the baselines on tasks they did not learn from: success against cost, no limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from routing.dataset import Split
from routing.errors import ArtifactRefused
from routing.steps.artifact import StepArtifact
from routing.steps.baselines import Setting, baselines
from routing.steps.frontier import Point, points, settings_of
from routing.steps.journey import Floats, journeys_of
from routing.steps.simulator import World
from routing.steps.training import StepInputs, with_texts
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput


@dataclass(frozen=True, kw_only=True, eq=False)
class StepReport:
    """`routers`, `baselines`: name to settings, task by task."""

    split: str
    tasks: int
    left_out: int  # tasks that one of the candidates has no episode of
    large_usd: Floats  # of always-large, each task
    routers: Mapping[str, Sequence[Setting]]
    baselines: Mapping[str, Sequence[Setting]]

    def frontier(self, settings: Sequence[Setting]) -> list[Point]:
        return points(settings, self.large_usd)

    def plain(self) -> dict[str, Any]:
        """The contract of `antroute evaluate --kind steps --json`; `frontier` is the first router's."""
        told = {name: [asdict(point) for point in self.frontier(each)] for name, each in self.routers.items()}
        return {
            "split": self.split,
            "tasks": self.tasks,
            "large_cost_usd": float(self.large_usd.mean()),  # a task
            "frontier": next(iter(told.values())),
            "routers": told,
            "baselines": {
                name: [asdict(point) for point in self.frontier(each)] for name, each in self.baselines.items()
            },
        }


def world_of(artifact: StepArtifact, inputs: StepInputs, *, split: Split, needed: Sequence[str] = ()) -> World:
    """The split's tasks as the artefact sees them. Raises InvalidInput where there are none, ArtifactRefused."""
    manifest = artifact.manifest
    missing = [id for id in manifest.candidates if id not in inputs.data.priced]
    if missing:
        raise ArtifactRefused(
            f"The step policy knows {', '.join(map(repr, missing))}, who has no priced episodes in this data.",
            hint="Train again with candidates that are in the data: antroute train --kind steps --candidates …",
        )
    journeys = journeys_of(inputs.data, manifest.candidates, needed=needed, most_steps=manifest.most_steps)
    places = journeys.places_of(split)
    if not len(places):
        raise InvalidInput(f"The data has no task of split {split!r} to judge on.", field="split")
    journeys = with_texts(journeys, inputs, artifact.reader).only(places)
    return World(journeys=journeys, unit_usd=manifest.unit_usd, mask=artifact.mask)


def evaluate(
    artifacts: Mapping[str, StepArtifact],
    inputs: StepInputs,
    *,
    small: str,
    large: str,
    split: Split = "dev",
    on_progress: Progress = no_progress,
) -> StepReport:
    """All on the same tasks. The baselines are of the first artefact's candidates. Raises as `world_of`."""
    for name, artifact in artifacts.items():
        _check_pair(name, artifact, small, large)
    needed = tuple(dict.fromkeys(id for each in artifacts.values() for id in each.manifest.candidates))
    worlds, routers = [], {}
    for done, (name, artifact) in enumerate(artifacts.items()):
        on_progress(done, len(artifacts), "playing episodes")
        worlds.append(world_of(artifact, inputs, split=split, needed=needed))
        routers[name] = settings_of(worlds[-1], artifact.scorer)
    first, world = next(iter(artifacts.values())), worlds[0]
    pair = {"small": world.journeys.candidates.index(small), "large": world.journeys.candidates.index(large)}
    beside = baselines(world, first.schedules, **pair)
    on_progress(len(artifacts), len(artifacts), "playing episodes")
    return StepReport(
        split=split,
        tasks=len(world.journeys.task_ids),
        left_out=world.journeys.left_out,
        large_usd=world.journeys.total_usd[pair["large"]],
        routers=routers,
        baselines=beside,
    )


def _check_pair(name: str, artifact: StepArtifact, small: str, large: str) -> None:
    found = (artifact.manifest.small, artifact.manifest.large)
    if found != (small, large):
        raise ArtifactRefused(
            f"The step policy {name!r} was trained for small {found[0]!r} and large {found[1]!r},"
            f" not for {small!r} and {large!r}.",
            hint=f"Name those: --small {found[0]} --large {found[1]}; or train again.",
        )
