"""What the graph's messages are worth: the graph router without neighbours' or outcomes' messages, as JSON lines."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.figures import area_of, measured_outcomes
from benchmarks.sets import SETS, LoadedSet, load_set
from routing.predictors.corrected import Graph
from routing.predictors.ground_fitting import fit_groundwork
from routing.training.graph import fit_correction
from routing.training.graph_episodes import Hearing
from skills.progress import no_progress

HEARINGS = {
    "all messages": Hearing(),
    "no neighbours": Hearing(neighbours=False),
    "no outcomes": Hearing(outcomes=False),
    "neither": Hearing(neighbours=False, outcomes=False),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True, help="folder of data sets")
    options.add_argument("--sets", nargs="+", default=list(SETS))
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--encoder", default="minilm")
    options.add_argument("--cache", type=Path, required=True, help="folder for vectors of texts")
    given = options.parse_args()
    for name in given.sets:
        found = load_set(given.data / name, encoder=given.encoder, cache=given.cache)
        for seed in range(given.seeds):
            print(json.dumps({"set": name, "seed": seed, **areas(found, seed)}), flush=True)


def areas(found: LoadedSet, seed: int) -> dict[str, float]:
    """Text-only utility areas on dev: of the table, and of it corrected with fewer and fewer messages."""
    data, inputs = found.train.data, found.train.inputs
    outcomes, kept = measured_outcomes(found.dev.data, found.dev.inputs, data.reference)
    asked = kept.without_tasks()
    fitted = fit_groundwork(data, inputs, seed=seed, on_progress=no_progress)
    name_to_area = {"table": area_of(Graph(data.candidates, fitted.groundwork, {}, {}).predict(asked), outcomes)}
    for name, hearing in HEARINGS.items():
        correction = fit_correction(fitted, data, inputs, seed=seed, on_progress=no_progress, hearing=hearing)
        router = Graph(data.candidates, fitted.groundwork, {"graph": correction}, {"graph": 1.0})
        name_to_area[name] = area_of(router.predict(asked), outcomes)
    return name_to_area


if __name__ == "__main__":
    main()
