"""Trains one router in a process of its own: an order on stdin, then progress and the end as JSON lines on stdout.

It leaves when its parent does. Heavy libraries are loaded here and nowhere in the service.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from storage.errors import ServiceError

TELL_SECONDS = 0.5  # between two lines on one kind of work
Tell = Callable[[Mapping[str, Any]], None]


def main() -> None:
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print what they like; it goes nowhere

    def tell(line: Mapping[str, Any]) -> None:
        _write(told, line)

    try:
        tell({"end": trained(order, tell)})
    except ServiceError as error:
        tell({"error": {"code": error.code, "message": str(error)}})


def trained(order: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Fits, judges and saves. Raises InvalidInput, UnknownRouter, …"""
    from routing.artifacts import save
    from routing.registry import choose_encoder
    from routing.training.embedding import inputs_of
    from routing.training.files import read_dataset
    from routing.training.fitting import TrainingOptions, train

    on_progress, out = Told(tell), Path(order["out"])
    dataset = read_dataset(Path(order["data"]), on_progress=on_progress)
    encoder = choose_encoder(order["encoder"], cache_dir=Path(order["encoder_dir"])).encoder
    inputs = inputs_of(dataset, encoder, cache_dir=Path(order["cache_dir"]) / "embeddings", on_progress=on_progress)
    options = TrainingOptions(seed=order["seed"], folds=order["folds"], on_progress=on_progress)
    made = train(order["router"], dataset, inputs, encoder, options)
    out.parent.mkdir(parents=True, exist_ok=True)
    artifact = save(out, made.predictor, made.manifest, memory=made.memory)
    return {
        "router": made.name,
        "sha256": artifact.sha256,
        "out": str(out),
        "candidates": list(made.predictor.candidates),
        "fit_seconds": {name: round(fitted.seconds, 2) for name, fitted in made.fitted.items()},
    }


class Told:
    """Progress as lines: each kind of work when it begins and ends, and now and then between."""

    def __init__(self, tell: Tell, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._what = ""
        self._told_at = 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        now = self._clock()
        if what == self._what and done != total and now - self._told_at < TELL_SECONDS:
            return
        self._what, self._told_at = what, now
        self._tell({"progress": {"done": done, "total": total, "what": what}})


def _leave_with_parent() -> None:
    """Its end of the pipe is closed when it dies, however it dies."""
    sys.stdin.read()
    os._exit(1)


def _write(told: TextIO, line: Mapping[str, Any]) -> None:
    told.write(json.dumps(line) + "\n")
    told.flush()


if __name__ == "__main__":
    main()
