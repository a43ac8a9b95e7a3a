"""How each candidate is just now, as this process sees it: calls under way, response times, failures, loaded or not."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median

from agents.errors import ModelUnavailable
from orchestrator.request_context import note_upstream
from orchestrator.rewards import USUAL_CALL
from routing.base import Condition
from storage.records import Candidate

Recent = deque[tuple[float, float]]  # when, and what

RECENT_CALLS = 31  # of a candidate, whose median is its response time; of a model, whose share of failures counts
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
        self._id_to_load: Counter[str] = Counter()
        self._id_to_calls: defaultdict[str, Recent] = defaultdict(lambda: deque(maxlen=RECENT_CALLS))
        # to the newest call, and the median or the share of failures that it left
        self._id_to_median: dict[str, tuple[tuple[float, float], float | None]] = {}
        self._model_to_share: dict[str, tuple[tuple[float, float], float | None]] = {}
        self._model_to_ends: defaultdict[str, Recent] = defaultdict(lambda: deque(maxlen=RECENT_CALLS))

    @contextmanager
    def under_way(self, candidate: Candidate) -> Iterator[None]:
        """Counts the block as a call of the candidate's model; its seconds count where it does not raise.

        A model that was not to be had counts as a failure; a request that was refused or cut short counts as nothing.
        """
        if self._on_call is not None:
            self._on_call(candidate.model)
        self._model_to_load[candidate.model] += 1
        self._id_to_load[candidate.id] += 1
        began = self._clock()
        try:
            yield
            self._remember(candidate, began, has_failed=False)
        except ModelUnavailable:
            self._remember(candidate, began, has_failed=True)
            raise
        finally:
            self._model_to_load[candidate.model] -= 1
            self._id_to_load[candidate.id] -= 1
            note_upstream(self._clock() - began)

    def under_way_of(self, candidate_id: str) -> int:
        return self._id_to_load[candidate_id]

    def of(self, candidate: Candidate) -> Condition:
        card, is_loaded = candidate.card, self._model_to_is_loaded.get(candidate.model)
        is_warm = is_loaded is None or is_loaded()
        return Condition(
            load=self._model_to_load[candidate.model],
            response_seconds=self._response_seconds(candidate.id),
            error_share=self._error_share(candidate.model),
            is_warm=is_warm,
            cold_start_seconds=0.0 if is_warm else card.cold_start_seconds or LOCAL_COLD_START_SECONDS,
            joules=card.joules(USUAL_CALL) or None,
        )

    def _remember(self, candidate: Candidate, began: float, *, has_failed: bool) -> None:
        now = self._clock()
        self._model_to_ends[candidate.model].append((now, float(has_failed)))
        if not has_failed:
            self._id_to_calls[candidate.id].append((now, now - began))

    def _response_seconds(self, candidate_id: str) -> float | None:
        calls = self._id_to_calls.get(candidate_id)
        if not calls:
            return None
        known = self._id_to_median.get(candidate_id)
        if known is None or known[0] is not calls[-1] or calls[0][0] < self._clock() - RECENT_SECONDS:
            recent = self._recent(calls)
            known = self._id_to_median[candidate_id] = calls[-1], median(recent) if recent else None
        return known[1]

    def _error_share(self, model: str) -> float | None:
        ends = self._model_to_ends.get(model)
        if not ends:
            return None
        known = self._model_to_share.get(model)
        if known is None or known[0] is not ends[-1] or ends[0][0] < self._clock() - RECENT_SECONDS:
            recent = self._recent(ends)
            known = self._model_to_share[model] = ends[-1], sum(recent) / len(recent) if recent else None
        return known[1]

    def _recent(self, calls: Iterable[tuple[float, float]]) -> list[float]:
        oldest = self._clock() - RECENT_SECONDS
        return [value for at, value in calls if at >= oldest]
