"""One sentence encoder for all workers: the actor that holds it, and what stands in for an encoder elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from orchestrator.cluster.batches import Batches
from orchestrator.cluster.errors import ActorGone
from orchestrator.cluster.links import ActorLink
from routing.errors import EncoderUnavailable
from routing.registry import EncoderChoice, choose_encoder
from skills.encoder import Encoder

DOES = "encodes texts"


@dataclass(frozen=True, kw_only=True)
class EncoderFacts:
    """Which encoder the actor holds, and what an `EncoderChoice` tells of it."""

    name: str
    dimension: int
    fallback_reason: str | None
    larger_reason: str | None


class EncoderActor:
    """Runs on the cluster."""

    def __init__(self, name: str, cache_dir: Path, *, most: int) -> None:
        self._choice = choose_encoder(name, cache_dir=cache_dir)
        self._batches: Batches[str, NDArray[np.float32]] = Batches(self._encoded, most=most)

    async def facts(self) -> EncoderFacts:
        encoder = self._choice.encoder
        return EncoderFacts(
            name=encoder.name,
            dimension=encoder.dimension,
            fallback_reason=self._choice.fallback_reason,
            larger_reason=self._choice.larger_reason,
        )

    async def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Encoder.encode`; texts of callers at the same moment are one batch."""
        return np.stack(await self._batches.results("", texts))

    def _encoded(self, key: str, texts: Sequence[str]) -> Sequence[NDArray[np.float32]]:
        return list(self._choice.encoder.encode(texts))


class RemoteEncoder:
    """Asks the actor; when that is gone, encodes here, with an encoder that is loaded then."""

    def __init__(self, link: ActorLink, facts: EncoderFacts, load: Callable[[], Encoder]) -> None:
        self.name = facts.name
        self.dimension = facts.dimension
        self._link = link
        self._load = load
        self._own: Encoder | None = None
        self._loading = Lock()  # two threads at once must not load it twice

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Encoder.encode`. Raises EncoderUnavailable."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        try:
            vectors: NDArray[np.float32] = self._link.call("encode", list(texts))
        except ActorGone:
            return self._here().encode(texts)
        return vectors

    def _here(self) -> Encoder:
        with self._loading:
            if self._own is None:
                own = self._load()
                if own.name != self.name:
                    raise EncoderUnavailable(
                        f"The actor's encoder {self.name!r} is gone, and the one here is {own.name!r}.",
                        hint="Install the same encoder on every node.",
                    )
                self._own = own
            return self._own


def remote_encoder(link: ActorLink, name: str, cache_dir: Path) -> EncoderChoice:
    """As `choose_encoder`, of the encoder that an actor holds; if that cannot be reached, one is loaded here."""

    def load() -> Encoder:
        return choose_encoder(name, cache_dir=cache_dir).encoder

    try:
        facts: EncoderFacts = link.call("facts")
    except ActorGone:
        return choose_encoder(name, cache_dir=cache_dir)
    return EncoderChoice(
        encoder=RemoteEncoder(link, facts, load),
        fallback_reason=facts.fallback_reason,
        larger_reason=facts.larger_reason,
    )
