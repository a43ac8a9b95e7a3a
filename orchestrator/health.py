"""Circuit breakers: which endpoints are failing right now, so that the mask can leave them alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

FAILURES_BEFORE_REST = 2
FIRST_REST_SECONDS = 5.0
LONGEST_REST_SECONDS = 300.0  # also of a rest that an endpoint asks for
TRIAL_SECONDS = 120.0  # after which a trial whose end nobody told is forgotten

BreakerState = Literal["closed", "open", "half_open"]


@dataclass
class Breaker:
    """Of one endpoint. Closed until failures or its own Retry-After open it; half-open when its rest is over."""

    failures: int = 0  # in a row
    rests_until: float = 0.0
    last_error: str = ""
    trial_of: str | None = None  # the query that tries it while it is half-open
    trial_lapses: float = 0.0

    def state(self, now: float) -> BreakerState:
        if self.rests_until > now:
            return "open"
        return "half_open" if self.rests_until else "closed"

    def on_trial(self, now: float) -> bool:
        return self.trial_of is not None and self.trial_lapses > now


class ModelHealth:
    """Two failures in a row give an endpoint a rest of 5 s, doubled by each further one; a success clears it.

    An endpoint that says Retry-After rests at once, for as long as it says, at most 300 s. After its rest it is
    half-open: offered like any other, to one query at a time, which has the trial. Models that share an endpoint share
    its breaker. What a process sees is its own; nothing here is stored.

    The libraries that were looked at (purgatory 3.0, aiobreaker 1.2, pybreaker 1.4, circuitbreaker 2.1) wrap calls and
    raise where a breaker is open. A router must know beforehand, to mask; and none of them takes a Retry-After, lets
    one caller at a time through a half-open breaker and takes the clock from outside.
    """

    def __init__(
        self,
        *,
        model_to_endpoint: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`model_to_endpoint`: a model that is absent is an endpoint of its own."""
        self.clock = clock
        self._model_to_endpoint = dict(model_to_endpoint or {})
        self._endpoint_to_breaker: dict[str, Breaker] = {}
        self._troubled: set[str] = set()  # models whose endpoint has a breaker that is not new

    def succeeded(self, model: str) -> None:
        endpoint = self._endpoint(model)
        if self._endpoint_to_breaker.pop(endpoint, None) is not None:
            self._troubled = {each for each in self._troubled if self._endpoint(each) != endpoint}

    def failed(self, model: str, error: str, *, retry_after_seconds: float | None = None) -> None:
        """Only of an endpoint that is down or overloaded; a refused request and a caller who left say nothing of it."""
        now, breaker = self.clock(), self._endpoint_to_breaker.setdefault(self._endpoint(model), Breaker())
        self._troubled.add(model)
        asked = now + min(retry_after_seconds or 0.0, LONGEST_REST_SECONDS)
        if breaker.state(now) == "open":  # was under way when the rest began: the same failure, not a further one
            breaker.rests_until = max(breaker.rests_until, asked)
            return
        breaker.failures += 1
        breaker.last_error, breaker.trial_of = error, None
        extra = breaker.failures - FAILURES_BEFORE_REST
        own = now + min(FIRST_REST_SECONDS * 2 ** min(extra, 16), LONGEST_REST_SECONDS) if extra >= 0 else now
        if max(own, asked) > now:
            breaker.rests_until = max(own, asked)

    def admits(self, model: str, query_id: str) -> bool:
        """Whether the query may ask it now. Where the breaker is half-open, it then has the trial, until `released`."""
        breaker, now = self._endpoint_to_breaker.get(self._endpoint(model)), self.clock()
        state = "closed" if breaker is None else breaker.state(now)
        if breaker is None or state == "closed":
            return True
        if state == "open" or (breaker.on_trial(now) and breaker.trial_of != query_id):
            return False
        breaker.trial_of, breaker.trial_lapses = query_id, now + TRIAL_SECONDS
        return True

    def is_trial(self, model: str, query_id: str) -> bool:
        """Whether the query has the trial of the model's endpoint."""
        breaker = self._endpoint_to_breaker.get(self._endpoint(model))
        return breaker is not None and breaker.trial_of == query_id

    def released(self, query_id: str) -> None:
        """The query is done. Where it learned nothing of an endpoint that it had the trial of, the next one has it."""
        for breaker in self._endpoint_to_breaker.values():
            if breaker.trial_of == query_id:
                breaker.trial_of = None

    def reasons(self, *, has_trials: bool = True) -> dict[str, str]:
        """Model to why it is left alone; models that may be tried are absent.

        Without `has_trials`, half-open ones are left alone too: for a query that must not fail a second time.
        """
        now = self.clock()
        found = {}
        for model in self._models():
            reason = self._reason(self._endpoint_to_breaker.get(self._endpoint(model)), now, has_trials=has_trials)
            if reason is not None:
                found[model] = reason
        return found

    def states(self) -> dict[str, BreakerState]:
        """Model to the state of its breaker; all others are closed."""
        now = self.clock()
        return {
            model: breaker.state(now)
            for model in self._models()
            if (breaker := self._endpoint_to_breaker.get(self._endpoint(model))) is not None
        }

    def seconds_to_trial(self) -> float | None:
        """Until the first endpoint that rests may be tried; None where none rests."""
        now = self.clock()
        rests = [each.rests_until - now for each in self._endpoint_to_breaker.values() if each.rests_until > now]
        return min(rests) if rests else None

    @staticmethod
    def _reason(breaker: Breaker | None, now: float, *, has_trials: bool) -> str | None:
        state = "closed" if breaker is None else breaker.state(now)
        if breaker is None or state == "closed":
            return None
        failed = f"failed {breaker.failures} time{'s' * (breaker.failures != 1)} in a row"
        if state == "open":
            return f"{failed}, next try in {breaker.rests_until - now:.0f} s ({breaker.last_error})"
        if breaker.on_trial(now):
            return f"{failed}, is being tried by another query ({breaker.last_error})"
        return None if has_trials else f"{failed}, next try by another query ({breaker.last_error})"

    def _models(self) -> set[str]:
        """Those whose breaker may not be closed; none, as a rule, so that a healthy service pays nothing."""
        if not self._endpoint_to_breaker:
            return set()
        return self._troubled | {m for m, e in self._model_to_endpoint.items() if e in self._endpoint_to_breaker}

    def _endpoint(self, model: str) -> str:
        return self._model_to_endpoint.get(model, model)
