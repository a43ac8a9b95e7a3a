"""The peer's routers on one set: run in their environment, their choices kept, judged as ours are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Row, references, views
from benchmarks.peers.llmrouter_peer import INSIDE, PEER, ROUTERS, Handover, Order, PeerRun, hand_over, run_peer
from benchmarks.sets import LoadedSet
from routing.dataset import mean_of_known
from routing.evaluation.evaluate import evaluate
from routing.evaluation.gate import KNN
from routing.forecasts import Arrays, Forecast, Inputs, Predictor
from routing.training.registry import trainer
from skills.progress import no_progress

NEXT_BEST = 0.5  # of a candidate's mean quality: below every choice, and orders those that stand in for one


class FixedChoices(Predictor):
    """A router of which only the choices are known; where a choice has no outcome, the best single of those that do.

    Its quality is a rank and no forecast: calibration means nothing here.
    """

    kind = "peer"

    def __init__(
        self, candidates: Sequence[str], text_to_choice: Mapping[str, str], means: NDArray[np.float64]
    ) -> None:
        self._candidates = tuple(candidates)
        self._text_to_choice = text_to_choice
        self._means = means

    @property
    def candidates(self) -> tuple[str, ...]:
        return self._candidates

    def predict(self, inputs: Inputs) -> Forecast:
        quality = np.tile(NEXT_BEST * self._means, (len(inputs), 1))
        for row, text in enumerate(inputs.texts):
            quality[row, self._candidates.index(self._text_to_choice[text])] = 1.0
        return Forecast(quality=quality, cost_usd=np.zeros_like(quality))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def settings(self) -> dict[str, object]:
        return {}

    @classmethod
    def restore(cls, arrays: Arrays, settings: Mapping[str, Any]) -> Self:
        raise ValueError("The choices of a peer are not saved as a router.")


def peer_rows(
    found: LoadedSet, router: str, seeds: Sequence[int], *, environment: Path, cache: Path, limit_seconds: float
) -> Iterator[Row]:
    """A row a seed (one if it draws no random numbers), and one with the candidates in the reverse order."""
    wanted: list[tuple[int, Order]] = [(seed, "given") for seed in (seeds if ROUTERS[router].is_seeded else seeds[:1])]
    wanted.append((seeds[0], "reversed"))
    knn = trainer(KNN)(found.train.data, found.train.inputs, seed=0, on_progress=no_progress)
    means = np.nan_to_num(mean_of_known(found.train.data.quality))
    for run in _runs(found, router, wanted, environment=environment, cache=cache, limit_seconds=limit_seconds):
        row: Row = {"seed": run.seed, "order": run.order, **run.facts}
        if run.problem:
            yield {**row, "problem": run.problem}
            continue
        text_to_choice = dict(zip(found.dev.data.texts, run.choices, strict=True))
        routers = {router: FixedChoices(found.train.data.candidates, text_to_choice, means), KNN: knn}
        report = evaluate(routers, found.train.data, found.dev.data, found.dev.inputs.without_tasks(), seed=run.seed)
        judged = views(report, router)
        if judged["text_only"] is not None:
            judged["text_only"] |= {"ece": None, "brier": None}
        yield {**row, **judged, "references": references(report)}


def _runs(
    found: LoadedSet,
    router: str,
    wanted: Sequence[tuple[int, Order]],
    *,
    environment: Path,
    cache: Path,
    limit_seconds: float,
) -> list[PeerRun]:
    """Choices are kept by data, settings, seed and order, as a fit takes minutes and our code does not change it."""
    what = (
        f"{PEER} {found.digest} {found.file_order} {router} {ROUTERS[router].settings}".encode() + INSIDE.read_bytes()
    )
    key_to_file = {
        (seed, order): cache / f"{router}-{sha256(what + f'{seed} {order}'.encode()).hexdigest()[:24]}.json"
        for seed, order in wanted
    }
    lacking = [key for key in wanted if not key_to_file[key].is_file()]
    at_once = 1 if ROUTERS[router].is_slow else len(wanted)
    done: dict[tuple[int, Order], PeerRun] = {}
    with TemporaryDirectory() as folder:
        for first in range(0, len(lacking), at_once):
            handover = _handover(found, Path(folder))
            keys = lacking[first : first + at_once]
            for run in run_peer(environment, handover, router, runs=keys, limit_seconds=limit_seconds):
                done[(run.seed, run.order)] = run
                if not run.problem:
                    cache.mkdir(parents=True, exist_ok=True)
                    key_to_file[(run.seed, run.order)].write_text(json.dumps(asdict(run)), encoding="utf-8")
    return [done.get(key) or _kept(key_to_file[key]) for key in wanted]


def _handover(found: LoadedSet, folder: Path) -> Handover:
    train, dev = found.train, found.dev
    return hand_over(train.data, train.inputs, dev.data, dev.inputs, folder, candidates=found.file_order)


def _kept(path: Path) -> PeerRun:
    body = json.loads(path.read_text(encoding="utf-8"))
    return PeerRun(**{**body, "choices": tuple(body["choices"])})
