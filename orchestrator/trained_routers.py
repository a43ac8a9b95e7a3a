"""Which trained routers serve in this process, whom they do not know, and what went wrong with them, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from orchestrator.router_watch import LoadedRouters, RouterSource, RouterWatch
from routing.base import ACTIVE, SHADOW
from routing.learned import ForecastFailures, ForecastingFeaturizer
from routing.router import TRAINED
from storage.stores import Stores


class TrainedRouters:
    """Hands to the featurizer what the watch has loaded, and tells of it.

    `watch`: looks for other versions; whoever starts it stops it.
    """

    def __init__(
        self,
        stores: Stores,
        featurizer: ForecastingFeaturizer,
        *,
        candidates: Sequence[str],
        policy: str,
        source: RouterSource | None = None,
    ) -> None:
        self.watch = RouterWatch(stores, encoder_name=featurizer.encoder_name, on_change=self.use, source=source)
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
                since = loaded.active_since if role == ACTIVE else None
                words = serving_text(role, router.version_id, router.artifact.manifest.kind, since=since)
                unknown = unknown_text(router.artifact.predictor.candidates, self._candidates)
                yield f"{words}{'; ' if unknown else ''}{unknown}"
        if self._policy == TRAINED and loaded.active is None:
            yield f"policy {TRAINED!r} is set, and no trained router can serve: the table chooses"
        for role, failures in self.failures.items():
            if failures.latest:
                yield f"the {role} router failed on {failures.count} queries; the latest time: {failures.latest}"


def serving_text(role: str, version_id: str, kind: str, *, since: datetime | None = None) -> str:
    """Which version serves in which role; times are told in the local zone."""
    told = "" if since is None else f", since {since.astimezone():%Y-%m-%d %H:%M}"
    return f"the {role} router is {version_id}, of kind {kind!r}{told}"


def unknown_text(known: Sequence[str], candidates: Sequence[str]) -> str:
    """The service's candidates that a router has not learned, in words; empty where it knows all."""
    unknown = sorted(set(candidates) - set(known))
    return f"it does not know {', '.join(unknown)}, whose worth the table estimates" if unknown else ""
