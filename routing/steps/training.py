"""Trains a step policy on trajectories: schedules, then the policy, then what it does on the tasks it learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routing.artifacts import code_version
from routing.errors import UnknownRouter
from routing.registry import unknown
from routing.steps import bopo, fitted_q_fitting, tiers
from routing.steps.artifact import KINDS, SavedScorer, StepArtifact, StepManifest
from routing.steps.episodes import Trajectories
from routing.steps.feasibility import Mask, prices_of
from routing.steps.journey import Journeys, journeys_of, ordered_candidates
from routing.steps.schedules import WEIGHTS, StaticSchedules, fit_schedules
from routing.steps.simulator import World, play_all
from routing.steps.slots import Slots
from routing.steps.texts import TextReader
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput

CQL, BOPO, TIERS, STATIC = "cql", "bopo", "tiers", "static-schedule"
DEFAULT = CQL
TOLD_WEIGHTS = (0.05, 0.3, 0.8)  # of cost, at which the manifest tells what the policy does
COLLAPSED_SHARE = 0.98  # of the cheapest candidate's steps at the least of these weights


@dataclass(frozen=True, kw_only=True, eq=False)
class StepInputs:
    """Trajectories with the tasks' vectors. `vectors`: task id to D numbers; None: texts are seen by signals alone."""

    data: Trajectories
    vectors: Mapping[str, NDArray[Any]] | None = None
    encoder: str = ""

    def vectors_of(self, task_ids: Sequence[str]) -> NDArray[Any] | None:
        return None if self.vectors is None else np.stack([self.vectors[id] for id in task_ids])

    def texts_of(self, task_ids: Sequence[str]) -> list[str]:
        texts = {task.id: task.text for task in self.data.tasks}
        return [texts[id] for id in task_ids]


@dataclass(frozen=True, kw_only=True)
class StepOptions:
    """Who takes part; the first two are among `candidates` whether named there or not."""

    small: str
    large: str
    candidates: tuple[str, ...] = ()
    seed: int = 0

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([self.small, self.large, *self.candidates]))


def train(
    router: str, inputs: StepInputs, options: StepOptions, *, on_progress: Progress = no_progress
) -> StepArtifact:
    """Learns from the train tasks alone. Raises UnknownRouter, InvalidInput."""
    check_router(router)
    if options.small == options.large:
        raise InvalidInput(f"Small and large are both {options.small!r}; name two candidates.", field="large")
    journeys = journeys_of(inputs.data, ordered_candidates(inputs.data, options.all))
    places = journeys.places_of("train")
    if not len(places):
        raise InvalidInput("No task of the train split has an episode of each candidate.", field="data")
    ids = [journeys.task_ids[place] for place in places]
    reader = TextReader.fit(inputs.texts_of(ids), inputs.vectors_of(ids))
    known = with_texts(journeys, inputs, reader).only(places)
    artifact = _fitted(router, known, options, reader, on_progress)
    counts = {split: len(journeys.places_of(split)) for split in ("train", "dev", "test")}
    manifest = replace(artifact.manifest, encoder=inputs.encoder, data_digest=inputs.data.digest, task_counts=counts)
    return replace(artifact, manifest=manifest)


def check_router(name: str) -> None:
    """Raises UnknownRouter, which names the nearest."""
    if name not in KINDS:
        raise UnknownRouter(unknown("step policy", name, KINDS))


def with_texts(journeys: Journeys, inputs: StepInputs, reader: TextReader) -> Journeys:
    """The journeys with what the reader makes of their texts."""
    texts = reader.read(inputs.texts_of(journeys.task_ids), inputs.vectors_of(journeys.task_ids))
    return replace(journeys, texts=texts)


def _fitted(
    router: str, known: Journeys, options: StepOptions, reader: TextReader, on_progress: Progress
) -> StepArtifact:
    """`known`: the train tasks."""
    count = len(known.candidates)
    small, large = known.candidates.index(options.small), known.candidates.index(options.large)
    unit_usd = float(known.total_usd[large].mean())
    if not unit_usd > 0:
        raise InvalidInput(f"Episodes of {options.large!r} cost nothing, so there is nothing to save.", field="large")
    prices = prices_of(known, unit_usd)
    free = World(journeys=known, unit_usd=unit_usd, mask=Mask(prices, Slots(order=tuple(range(count)), count=count)))
    on_progress(0, 1, "static schedules")
    schedules = StaticSchedules.of(WEIGHTS, fit_schedules(free), count)
    on_progress(1, 1, "static schedules")
    order = schedules.slots()
    if router == TIERS:
        order = tiers.any_order(tiers.members_of(known, small=small, large=large), count)
    world = World(journeys=known, unit_usd=unit_usd, mask=Mask(prices, order))
    scorer, extra = _scorer(router, world, schedules, (small, large), options.seed, on_progress)
    return StepArtifact(
        scorer=scorer,
        schedules=schedules,
        reader=reader,
        mask=world.mask,
        manifest=StepManifest(
            kind=router,
            candidates=known.candidates,
            small=options.small,
            large=options.large,
            unit_usd=unit_usd,
            most_steps=known.most_steps,
            order=order.order,
            encoder="",
            dimension=reader.dimension,
            seed=options.seed,
            data_digest="",
            task_counts={},
            settings=scorer.settings(),
            metrics={**behaviour(world, scorer, small), **extra},
            code_version=code_version(),
        ),
    )


def _scorer(
    router: str,
    world: World,
    schedules: StaticSchedules,
    pair: tuple[int, int],
    seed: int,
    on_progress: Progress,
) -> tuple[SavedScorer, dict[str, Any]]:
    """The policy, and what else its manifest should tell."""
    small, large = pair
    if router == CQL:
        options = fitted_q_fitting.FitOptions(seed=seed)
        return fitted_q_fitting.fit(world, schedules, options, on_progress=on_progress), {}
    if router == BOPO:
        labels = bopo.boundary_labels(world.journeys, small)
        told = {label: round(labels.count(label) / len(labels), 4) for label in sorted(set(labels))}
        policy = bopo.fit(
            world, schedules, bopo.BopoOptions(seed=seed), small=small, large=large, on_progress=on_progress
        )
        return policy, {"boundary": told}
    if router == TIERS:
        aligned, unaligned = (
            tiers.fit(
                world, schedules, tiers.TierOptions(seed=seed, is_aligned=is_aligned),
                small=small, large=large, on_progress=on_progress,
            )
            for is_aligned in (True, False)
        )  # fmt: skip
        return aligned, {"without_scale_alignment": behaviour(world, unaligned, small)}
    return schedules, {}


def behaviour(world: World, scorer: SavedScorer, small: int) -> dict[str, Any]:
    """Anti-collapse figures on the world's tasks: shares of the cheapest candidate, and success where small fails."""
    is_hard = np.array([label == "hard" for label in bopo.boundary_labels(world.journeys, small)])
    rows = []
    for weight in TOLD_WEIGHTS:
        played = play_all(world, scorer, weight=weight)
        rows.append(
            {
                "weight": weight,
                "success": round(float(played.success.mean()), 4),
                "cost_units": round(float(played.spent.mean()), 4),
                "cheapest_step_share": round(played.cheapest_share, 4),
                "cheapest_only_share": round(float((played.taken[:, 1:].sum(axis=1) == 0).mean()), 4),
                "hard_success": round(float(played.success[is_hard].mean()), 4) if is_hard.any() else None,
            }
        )
    collapsed = float(rows[0]["cheapest_step_share"] or 0.0) >= COLLAPSED_SHARE
    return {"on_train": rows, "hard_share": round(float(is_hard.mean()), 4), "is_collapsed": collapsed}
