"""The port to a model that turns texts into vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agents.openai_wire import MalformedAnswer, usage_of
from storage.records import TokenUsage

BYTES_PER_TOKEN = 3  # for estimates where the provider sends no count


@dataclass(frozen=True, kw_only=True)
class EmbeddingRequest:
    """Texts to embed, in one call."""

    texts: tuple[str, ...]
    dimensions: int | None = None  # of the vectors; None: the model's own


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """A vector a text, in the order of the texts, and what the provider counted."""

    vectors: tuple[tuple[float, ...], ...]
    usage: TokenUsage


class Embedder(Protocol):
    """One embedding model behind one endpoint. Raises ModelUnavailable, ModelRefused or AnswerCut."""

    async def embed(self, request: EmbeddingRequest) -> Embeddings: ...

    async def close(self) -> None: ...


def embedding_body(model: str, request: EmbeddingRequest) -> dict[str, object]:
    """The body of an embeddings call."""
    body: dict[str, object] = {"model": model, "input": list(request.texts), "encoding_format": "float"}
    return body if request.dimensions is None else {**body, "dimensions": request.dimensions}


def embeddings_of(found: object, request: EmbeddingRequest) -> Embeddings:
    """What an endpoint answered. Raises MalformedAnswer unless there is a vector for each text."""
    body = found if isinstance(found, Mapping) else {}
    data = body.get("data")
    rows = [row for row in data if isinstance(row, Mapping)] if isinstance(data, Sequence) else []
    index_to_vector = {row.get("index", place): row.get("embedding") for place, row in enumerate(rows)}
    vectors = [_vector(index_to_vector.get(place)) for place in range(len(request.texts))]
    return Embeddings(vectors=tuple(vectors), usage=_usage(body.get("usage"), request))


def estimated(request: EmbeddingRequest) -> TokenUsage:
    """A third of the texts' bytes, rounded up."""
    size = sum(len(text.encode("utf-8", "replace")) for text in request.texts)
    return TokenUsage(input=-(-size // BYTES_PER_TOKEN))


def _vector(found: object) -> tuple[float, ...]:
    if not isinstance(found, list | tuple) or not found:
        raise MalformedAnswer("The answer lacks the vector of a text.")
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in found):
        raise MalformedAnswer("A vector holds what is no number.")
    return tuple(map(float, found))


def _usage(found: object, request: EmbeddingRequest) -> TokenUsage:
    counted = usage_of({"completion_tokens": 0, **found}) if isinstance(found, Mapping) else None
    return counted or estimated(request)
