"""Vectors of texts that were asked, with what each candidate earned on them; bounded, and searched in two steps."""

from __future__ import annotations

from base64 import b64decode, b64encode
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from routing.base import Vector
from storage.errors import InvalidInput

SHORT_DIMENSION = 96  # of the vectors that are searched first
LEAST_SHORT = 0.5  # cosine of short vectors: of pairs whose cosine is .7 or more hardly one is below it
SHORT_LIST = 128  # rows at most whose cosines are then computed exactly
GROWTH = 256  # rows that room is made for at a time

Embedding = NDArray[np.float32]
Places = NDArray[np.intp]


class RememberedRows:
    """Beyond the capacity the row goes that was booked on the longest ago. All vectors are of one encoder: those of
    another one replace them.

    A search compares short vectors first, made by a fixed random projection (Johnson and Lindenstrauss, 1984), and then
    the nearest of those exactly.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise InvalidInput(f"A memory of {capacity} rows remembers nothing; give at least 1.", field="capacity")
        self.capacity = capacity
        self.arms: list[str] = []
        self._vectors: Embedding  # (rows, dimension); beyond `_count` there is room
        self._short: Embedding
        self._outcomes: Vector  # (2, rows, arms): counts and sums of rewards as of `_ticks`
        self._stages: NDArray[np.int64]
        self._booked: NDArray[np.int64]  # by `_clock`, the last time
        self._ticks: Vector
        self._payloads: list[str]  # ids of the texts that the vectors were made of
        self._stage_to_code: dict[str, int]
        self._clear(encoder="", dimension=0)

    def __len__(self) -> int:
        return self._count

    @property
    def encoder(self) -> str:
        return self._encoder

    def nearest(self, stage: str, vector: Embedding, *, encoder: str, count: int) -> tuple[Places, Vector]:
        """At most so many rows of the stage, the nearest first, and their cosines; of those below .7, not all."""
        code = self._stage_to_code.get(stage)
        if code is None or encoder != self._encoder or len(vector) != self._vectors.shape[1]:
            return np.zeros(0, dtype=np.intp), np.zeros(0)
        short = self._short[: self._count] @ _shortened(vector)
        is_likely = short >= LEAST_SHORT
        if len(self._stage_to_code) > 1:
            is_likely &= self._stages[: self._count] == code
        among = np.flatnonzero(is_likely)
        if len(among) > SHORT_LIST:
            among = np.sort(among[np.argpartition(-short[among], SHORT_LIST)[:SHORT_LIST]])
        cosines = (self._vectors[among] @ vector).astype(np.float64)
        order = np.argsort(-cosines, kind="stable")[:count]
        return among[order], cosines[order]

    def outcomes(self, rows: Places, arms: Sequence[str]) -> tuple[Vector, Vector]:
        """(rows, arms): counts and sums of rewards, zero for an unknown arm; `ticks` says as of when."""
        known = {arm: place for place, arm in enumerate(self.arms)}
        places = np.array([known.get(arm, -1) for arm in arms], dtype=np.intp)
        is_known = places >= 0
        found = np.zeros((2, len(rows), len(arms)))
        found[:, :, is_known] = self._outcomes[:, rows][:, :, places[is_known]]
        return found[0], found[1]

    def ticks(self, rows: Places) -> Vector:
        ticks: Vector = self._ticks[rows]
        return ticks

    def add(self, stage: str, vector: Embedding, *, encoder: str, payload_id: str) -> int:
        """A new row, with nothing booked on it."""
        if encoder != self._encoder or len(vector) != self._vectors.shape[1]:
            self._clear(encoder=encoder, dimension=len(vector))
        row = self._free_row()
        self._vectors[row], self._short[row] = vector, _shortened(vector)
        self._stages[row] = self._stage_to_code.setdefault(stage, len(self._stage_to_code))
        self._outcomes[:, row] = 0.0
        self._ticks[row] = 0.0
        self._payloads[row] = payload_id
        self.touch(row)
        return row

    def touch(self, row: int) -> None:
        """It was booked on just now."""
        self._clock += 1
        self._booked[row] = self._clock

    def fade(self, row: int, share_kept: Callable[[np.float64], Vector], *, tick: float) -> None:
        """Its evidence as of this tick."""
        self._outcomes[:, row] *= share_kept(np.float64(tick - self._ticks[row]))
        self._ticks[row] = max(tick, self._ticks[row])

    def earn(self, row: int, arm: str, *, weight: float, reward: float) -> None:
        place = bisect_left(self.arms, arm)
        if place == len(self.arms) or self.arms[place] != arm:
            self.arms.insert(place, arm)
            self._outcomes = np.insert(self._outcomes, place, 0.0, axis=2)
        self._outcomes[:, row, place] += (weight, weight * reward)

    def drop_arm(self, arm: str, *, stage: str | None = None) -> None:
        """What the candidate earned, on all rows or on a stage's."""
        if arm in self.arms:
            code = None if stage is None else self._stage_to_code.get(stage, -1)
            rows = slice(None) if code is None else self._stages == code
            self._outcomes[:, rows, self.arms.index(arm)] = 0.0

    def drop_stage(self, stage: str) -> None:
        code = self._stage_to_code.pop(stage, None)
        if code is not None:
            self._keep(self._stages[: self._count] != code)
            self._stages -= self._stages > code
            self._stage_to_code = {name: number for number, name in enumerate(self._stage_to_code)}

    def erase(self, payload_id: str) -> None:
        """Forgets the vector that was made of this text, and what was earned there."""
        self._keep(np.array([each != payload_id for each in self._payloads[: self._count]], dtype=bool))

    def vectors(self) -> tuple[Embedding, list[str]]:
        """(rows, dimension), and the id of the text that each was made of."""
        return self._vectors[: self._count].copy(), self._payloads[: self._count]

    def state(self) -> dict[str, object]:
        count = self._count
        return {
            "encoder": self._encoder,
            "dimension": self._vectors.shape[1],
            "vectors": b64encode(self._vectors[:count].astype("<f2").tobytes()).decode(),
            "stages": list(self._stage_to_code),
            "arms": list(self.arms),
            "stage_of": self._stages[:count].tolist(),
            "booked": self._booked[:count].tolist(),
            "ticks": self._ticks[:count].tolist(),
            "payloads": self._payloads[:count],
            "earned": [self._earned(row) for row in range(count)],
        }

    def restore(self, state: object) -> None:
        """Undo of `state`. Raises KeyError, TypeError or ValueError where it is none; then the rows are gone."""
        saved = cast("dict[str, Any]", state)
        self.arms = [str(arm) for arm in saved["arms"]]
        self._clear(encoder=str(saved["encoder"]), dimension=int(saved["dimension"]))
        halves = np.frombuffer(b64decode(saved["vectors"]), dtype="<f2").astype(np.float32)
        count = len(saved["stage_of"])
        vectors = halves.reshape(count, self._vectors.shape[1])
        self._make_room(count)
        self._count = count
        self._vectors[:count] = vectors
        for row, vector in enumerate(vectors):  # one by one, as they were made: a product of all has other last bits
            self._short[row] = _shortened(vector)
        self._stage_to_code = {str(stage): code for code, stage in enumerate(saved["stages"])}
        self._stages[:count] = saved["stage_of"]
        self._booked[:count] = saved["booked"]
        self._ticks[:count] = saved["ticks"]
        self._clock = max(saved["booked"], default=0)
        self._payloads[:count] = [str(payload_id) for payload_id in saved["payloads"]]
        for row in range(count):
            for place, n, s in saved["earned"][row]:
                self._outcomes[:, row, int(place)] = (n, s)

    def _earned(self, row: int) -> list[list[float]]:
        n, s = self._outcomes[:, row]
        return [[place, float(n[place]), float(s[place])] for place in np.flatnonzero(n).tolist()]

    def _free_row(self) -> int:
        if self._count >= self.capacity:
            return int(self._booked[: self._count].argmin())
        if self._count == len(self._vectors):
            self._make_room(min(self._count + max(GROWTH, self._count // 2), self.capacity))
        self._count += 1
        return self._count - 1

    def _make_room(self, rows: int) -> None:
        more = rows - len(self._vectors)
        if more <= 0:
            return
        self._vectors = np.concatenate([self._vectors, np.zeros((more, self._vectors.shape[1]), dtype=np.float32)])
        self._short = np.concatenate([self._short, np.zeros((more, self._short.shape[1]), dtype=np.float32)])
        self._outcomes = np.concatenate([self._outcomes, np.zeros((2, more, len(self.arms)))], axis=1)
        self._stages = np.concatenate([self._stages, np.full(more, -1)])
        self._booked = np.concatenate([self._booked, np.zeros(more, dtype=np.int64)])
        self._ticks = np.concatenate([self._ticks, np.zeros(more)])
        self._payloads += [""] * more

    def _keep(self, is_kept: NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(is_kept)
        if len(rows) == self._count:
            return
        self._vectors, self._short = self._vectors[rows], self._short[rows]
        self._outcomes = self._outcomes[:, rows]
        self._stages, self._booked, self._ticks = self._stages[rows], self._booked[rows], self._ticks[rows]
        self._payloads = [self._payloads[row] for row in rows.tolist()]
        self._count = len(rows)

    def _clear(self, *, encoder: str, dimension: int) -> None:
        self._encoder = encoder
        self._count = self._clock = 0
        self._vectors = np.zeros((0, dimension), dtype=np.float32)
        self._short = np.zeros((0, min(SHORT_DIMENSION, dimension)), dtype=np.float32)
        self._outcomes = np.zeros((2, 0, len(self.arms)))
        self._stages = np.zeros(0, dtype=np.int64)
        self._booked = np.zeros(0, dtype=np.int64)
        self._ticks = np.zeros(0)
        self._payloads = []
        self._stage_to_code = {}


def _shortened(vector: Embedding) -> Embedding:
    """The vector in fewer dimensions, of length one or zero."""
    short = vector @ _projection(len(vector))
    found: Embedding = (short / max(float(np.linalg.norm(short)), 1e-12)).astype(np.float32)
    return found


@lru_cache(maxsize=4)
def _projection(dimension: int) -> Embedding:
    drawn = np.random.default_rng(0).normal(size=(dimension, min(SHORT_DIMENSION, dimension)))
    return drawn.astype(np.float32)
