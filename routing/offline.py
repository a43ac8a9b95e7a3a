"""Routes a file of queries with a trained router: one JSON line in, one JSON line out, in the same order."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np
from numpy.typing import NDArray

from routing.artifacts import Artifact
from routing.errors import ArtifactRefused
from routing.features import excerpt
from routing.forecasts import PREDICTOR_ERRORS, Forecast, Inputs, Matrix, Weights, choose, utility
from routing.policies.exploration import with_floor
from routing.router import sample
from skills.encoder import Encoder
from skills.progress import Progress, no_progress
from storage.errors import InvalidInput

BATCH = 256  # queries at once: some megabytes, and the encoder sorts them by length
MAX_LINE_BYTES = 8_000_000


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """`share` of all choices is spread evenly over the candidates and drawn with `seed`; 0: the best one is taken."""

    share: float = 0.0
    seed: int = 0


class OfflineRouter:
    """A trained router over some of its candidates.

    Raises InvalidInput for a candidate that the router does not know, or none at all.
    """

    def __init__(
        self,
        artifact: Artifact,
        encoder: Encoder,
        *,
        candidates: Sequence[str] | None = None,
        weights: Weights,
        exploration: Exploration = Exploration(),
    ) -> None:
        """`candidates`: None means all that the router knows."""
        self._artifact = artifact
        self._encoder = encoder
        self._weights = weights
        self._exploration = exploration
        known = artifact.predictor.candidates
        wanted = set(known if candidates is None else candidates)
        if not wanted:
            raise InvalidInput("There is no candidate to route to; name at least one.", field="candidates")
        if unknown := sorted(wanted - set(known)):
            raise InvalidInput(
                f"The router does not know the candidates {', '.join(map(repr, unknown))}.",
                field="candidates",
                hint="Teach it with a few outcomes of theirs: antroute routers adapt --help",
            )
        self._is_wanted: NDArray[np.bool_] = np.array([id in wanted for id in known])

    def route(self, lines: Sequence[QueryLine], *, first: int = 0) -> list[dict[str, object]]:
        """What the output file says of each query. `first`: how many queries were routed before these.

        Raises ArtifactRefused for a forecast that fails or is no number.
        """
        inputs = Inputs(
            texts=tuple(line.text for line in lines),
            embeddings=self._encoder.encode([excerpt(line.text) for line in lines]),
            tasks=tuple(line.task for line in lines),
        )
        forecast = self._forecast(inputs)
        _check_finite(forecast, lines)
        utilities = utility(forecast, self._weights, self._artifact.manifest.reference)
        best = choose(utilities, forecast.cost_usd, allowed=np.broadcast_to(self._is_wanted, utilities.shape))
        return [
            self._routed(line, forecast, row, int(best[row]), counter=first + row) for row, line in enumerate(lines)
        ]

    def _forecast(self, inputs: Inputs) -> Forecast:
        try:
            return self._artifact.predictor.predict(inputs)
        except PREDICTOR_ERRORS as exc:
            raise ArtifactRefused(f"The router cannot forecast: {exc!r}.", hint="Train the router again.") from exc

    def _routed(self, line: QueryLine, forecast: Forecast, row: int, best: int, *, counter: int) -> dict[str, object]:
        known = self._artifact.predictor.candidates
        open_to = np.flatnonzero(self._is_wanted)
        preferred = (open_to == best).astype(np.float64)
        probabilities = with_floor(preferred, self._exploration.share) if self._exploration.share else preferred
        ids = [known[place] for place in open_to]
        chosen = known[best]
        if self._exploration.share:
            chosen = sample(probabilities.tolist(), ids, seed=self._exploration.seed, counter=counter)
        column = known.index(chosen)
        return {
            "query_id": line.query_id,
            "candidate": chosen,
            "probabilities": dict(zip(ids, probabilities.tolist(), strict=True)),
            "expected_quality": _cell(forecast.quality, row, column),
            "expected_cost_usd": _cell(forecast.cost_usd, row, column),
        }


@dataclass(frozen=True, kw_only=True)
class QueryLine:
    """One line of the input."""

    query_id: str
    text: str
    task: str | None


def route_file(
    router: OfflineRouter, source: Path, target: Path, *, on_progress: Progress = no_progress
) -> Mapping[str, int]:
    """Candidate to how many queries it got. The target appears once it is whole; both may end in `.gz`.

    Raises InvalidInput, which names the line, and leaves a target that was there before as it was.
    """
    counts: dict[str, int] = {}
    total, done = _line_count(source), 0
    with written_whole(target) as out:
        lines = read_queries(source)
        while batch := list(islice(lines, BATCH)):
            for routed in router.route(batch, first=done):
                counts[str(routed["candidate"])] = counts.get(str(routed["candidate"]), 0) + 1
                out.write(json.dumps(routed, ensure_ascii=False) + "\n")
            done += len(batch)
            on_progress(done, total, "queries routed")
    return counts


def read_queries(path: Path) -> Iterator[QueryLine]:
    """The queries of a JSONL file, plain or gzipped. Raises InvalidInput, which names the line."""
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            yield _query(line, f"{path}:{number}")


def parse_weights(text: str) -> Weights:
    """`1,0.2` is quality 1 and cost .2; latency and energy may follow. Raises InvalidInput."""
    try:
        numbers = [float(part) for part in text.split(",")]
        is_right = 1 <= len(numbers) <= 4 and all(0 <= number < float("inf") for number in numbers)
    except ValueError as exc:
        raise _wrong_weights(text) from exc
    if not is_right or not any(numbers):
        raise _wrong_weights(text)
    return Weights(**dict(zip(("quality", "cost", "latency", "energy"), numbers, strict=False)))


def _wrong_weights(text: str) -> InvalidInput:
    return InvalidInput(
        f"Weights {text!r} are not one to four numbers, 0 or more and not all 0: quality,cost[,latency[,energy]].",
        field="weights",
        hint="For example --weights 1,0.2",
    )


def _query(line: bytes, place: str) -> QueryLine:
    if len(line) > MAX_LINE_BYTES:
        raise InvalidInput(f"{place}: a line of {len(line)} bytes; at most {MAX_LINE_BYTES} are taken.", field="input")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise InvalidInput(f"{place}: not a line of JSON: {exc}.", field="input") from exc
    if not isinstance(value, dict):
        raise InvalidInput(f"{place}: must be an object with `query_id` and `text`.", field="input")
    for name in ("query_id", "text"):
        if not isinstance(value.get(name), str):
            raise InvalidInput(f"{place}: `{name}` is {value.get(name)!r:.60}; it must be a text.", field=name)
    if not value["query_id"] or any("\ud800" <= letter <= "\udfff" for letter in value["query_id"]):
        raise InvalidInput(
            f"{place}: `query_id` is {value['query_id']!r:.60}; it must be a text of whole characters, not empty.",
            field="query_id",
        )
    task = value.get("task")
    if task is not None and not isinstance(task, str):
        raise InvalidInput(f"{place}: `task` is {task!r:.60}; it must be a text, or be left out.", field="task")
    return QueryLine(query_id=value["query_id"], text=value["text"], task=task or None)


def _lines(path: Path) -> Iterator[bytes]:
    """Of a file that can be read more than once: a pipe would be empty the second time."""
    if path.exists() and not path.is_file():
        raise InvalidInput(f"{str(path)!r} is no file; write the queries to one first.", field="input")
    try:
        with path.open("rb") as head:
            is_packed = head.read(2) == b"\x1f\x8b"
        with cast(Any, gzip.open(path) if is_packed else path.open("rb")) as stream:
            yield from stream
    except (OSError, EOFError, zlib.error) as exc:
        raise InvalidInput(f"{str(path)!r} cannot be read: {exc}.", field="input") from exc


def _line_count(path: Path) -> int:
    return sum(1 for line in _lines(path) if line.strip())


@contextmanager
def written_whole(target: Path) -> Iterator[TextIO]:
    """A file that takes its name when all went well. Raises InvalidInput where it cannot be written."""
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _writing(unfinished, is_packed=target.suffix == ".gz") as out:
                yield out
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as exc:
        raise InvalidInput(f"{str(target)!r} cannot be written: {exc}; name another file.", field="output") from exc


def _writing(path: Path, *, is_packed: bool) -> TextIO:
    """A context manager, as every file is."""
    if is_packed:
        return cast(TextIO, gzip.open(path, "wt", encoding="utf-8"))
    return path.open("w", encoding="utf-8")


def _check_finite(forecast: Forecast, lines: Sequence[QueryLine]) -> None:
    is_sound = (np.isfinite(forecast.quality) & np.isfinite(forecast.cost_usd)).all(axis=1)
    if not is_sound.all():
        query_id = lines[int(is_sound.argmin())].query_id
        raise ArtifactRefused(f"The router forecasts no number for query {query_id!r}.", hint="Train the router again.")


def _cell(matrix: Matrix, row: int, column: int) -> float:
    return float(matrix[row, column])
