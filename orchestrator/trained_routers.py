"""Which trained routers serve in this process, whom they do not know, and what went wrong with them, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.router_watch import LoadedRouters
from routing.base import ACTIVE, SHADOW
from routing.learned import ForecastFailures, ForecastingFeaturizer
from routing.router import TRAINED


class TrainedRouters:
    """Hands what has been loaded to the featurizer, and tells of it."""

    def __init__(self, featurizer: ForecastingFeaturizer, *, candidates: Sequence[str], policy: str) -> None:
        self._featurizer = featurizer
        self._candidates = tuple(candidates)
        self._policy = policy
        self._loaded = LoadedRouters()

    def use(self, loaded: LoadedRouters) -> None:
        """From the next batch of queries on; queries under way end with what they began with."""
        self._loaded = loaded
        self._featurizer.use(loaded.active, loaded.shadow, is_refused=loaded.is_refused)

    @property
    def failures(self) -> Mapping[str, ForecastFailures]:
        """`active` and `shadow` to how many of their forecasts failed."""
        return self._featurizer.failures

    def notices(self) -> tuple[str, ...]:
        return tuple(self._lines())

    def _lines(self) -> Iterator[str]:
        loaded = self._loaded
        yield from loaded.notices
        for role, router in ((ACTIVE, loaded.active), (SHADOW, loaded.shadow)):
            if router is not None:
                yield f"the {role} router is {router.version_id!r}, of kind {router.artifact.manifest.kind!r}"
                if unknown := unknown_candidates(router.artifact.predictor.candidates, self._candidates):
                    yield f"it does not know {unknown}: what they are worth is taken from the table"
        if self._policy == TRAINED and loaded.active is None:
            yield f"policy {TRAINED!r} is set, and no trained router can serve: the table chooses"
        for role, failures in self.failures.items():
            if failures.latest:
                yield f"the {role} router failed on {failures.count} queries; the latest time: {failures.latest}"


def unknown_candidates(known: Sequence[str], candidates: Sequence[str]) -> str:
    """The candidates of the service that a router has not learned, as a list in words; empty where it knows all."""
    return ", ".join(repr(id) for id in sorted(set(candidates) - set(known)))
