"""How each candidate is just now, as this process sees it: calls under way, response times, loaded or not."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median

from orchestrator.rewards import USUAL_CALL
from routing.base import Condition
from storage.records import Candidate

RECENT_CALLS = 31  # of a candidate, whose median is its response time
RECENT_SECONDS = 900.0  # older ones say nothing of the present
LOCAL_COLD_START_SECONDS = 2.0  # of a local model whose card names none


class LiveConditions:
    """`model_to_is_loaded`: of models that this process loads itself; the others are always warm."""

    def __init__(
        self,
        *,
        model_to_is_loaded: Mapping[str, Callable[[], bool]] | None = None,
        on_call: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_call` hears the model of each call."""
        self._model_to_is_loaded = dict(model_to_is_loaded or {})
        self._on_call = on_call
        self._clock = clock
        self._model_to_load: Counter[str] = Counter()
        self._id_to_calls: defaultdict[str, deque[tuple[float, float]]] = defaultdict(
            lambda: deque(maxlen=RECENT_CALLS)
        )

    @contextmanager
    def under_way(self, candidate: Candidate) -> Iterator[None]:
        """Counts the block as a call of the candidate's model; its seconds count where it does not raise."""
        if self._on_call is not None:
            self._on_call(candidate.model)
        self._model_to_load[candidate.model] += 1
        began = self._clock()
        try:
            yield
            now = self._clock()
            self._id_to_calls[candidate.id].append((now, now - began))
        finally:
            self._model_to_load[candidate.model] -= 1

    def of(self, candidate: Candidate) -> Condition:
        card, is_loaded = candidate.card, self._model_to_is_loaded.get(candidate.model)
        is_warm = is_loaded is None or is_loaded()
        return Condition(
            load=self._model_to_load[candidate.model],
            response_seconds=self._response_seconds(candidate.id),
            is_warm=is_warm,
            cold_start_seconds=0.0 if is_warm else card.cold_start_seconds or LOCAL_COLD_START_SECONDS,
            joules=card.joules(USUAL_CALL) or None,
        )

    def _response_seconds(self, candidate_id: str) -> float | None:
        oldest = self._clock() - RECENT_SECONDS
        recent = [seconds for at, seconds in self._id_to_calls.get(candidate_id, ()) if at >= oldest]
        return median(recent) if recent else None
