"""Which models embed texts: those of the settings with the capability `embeddings`, and the built-in encoder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from agents.embedding import Embedder, EmbeddingRequest, Embeddings, estimated
from agents.errors import ModelUnavailable
from orchestrator.candidates import cards_in
from orchestrator.embedding import EmbeddingModel
from orchestrator.errors import SettingsInvalid
from orchestrator.settings import ModelSettings, Settings
from routing.errors import EncoderUnavailable
from routing.registry import choose_encoder
from skills.encoder import Encoder
from storage.errors import InvalidInput
from storage.records import ModelCard

CAPABILITY = "embeddings"
BUILT_IN = "minilm"
BUILT_IN_WINDOW = 128  # tokens; longer texts are cut


class EncoderEmbedder:
    """An encoder of this process as an embedding model; loaded on first use where nobody else has it loaded."""

    def __init__(self, load: Callable[[], Encoder]) -> None:
        self._load = load
        self._encoder: Encoder | None = None

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        return await asyncio.to_thread(self._embedded, request)

    async def close(self) -> None:
        """Nothing to close."""

    def _embedded(self, request: EmbeddingRequest) -> Embeddings:
        try:
            self._encoder = self._encoder or self._load()
        except EncoderUnavailable as exc:
            raise ModelUnavailable(str(exc)) from exc
        if request.dimensions not in (None, self._encoder.dimension):
            raise InvalidInput(
                f"{BUILT_IN!r} gives {self._encoder.dimension} dimensions; it cannot give {request.dimensions}.",
                field="dimensions",
            )
        rows = self._encoder.encode(request.texts).tolist()
        return Embeddings(vectors=tuple(map(tuple, rows)), usage=estimated(request))


def embedding_models(settings: Settings, encoder: Encoder) -> Mapping[str, EmbeddingModel]:
    """By name. `encoder` is the one of routing, which is used again where it is the built-in one."""
    cards = cards_in(settings)
    named = {name: model for name, model in settings.models.items() if CAPABILITY in model.capabilities}
    models = {name: _remote(name, model, cards[name]) for name, model in named.items()}
    built_in = ModelCard(
        model=BUILT_IN,
        description="The sentence encoder that routing uses.",
        capabilities=(CAPABILITY,),
        context_window=BUILT_IN_WINDOW,
    )
    embedder = EncoderEmbedder(_loader(encoder, settings.encoder_dir))
    return {BUILT_IN: EmbeddingModel(card=built_in, embedder=embedder), **models}


def _loader(encoder: Encoder, cache_dir: Path) -> Callable[[], Encoder]:
    if encoder.name.startswith("all-MiniLM-L6-v2-int8"):
        return lambda: encoder
    return lambda: choose_encoder(BUILT_IN, cache_dir=cache_dir).encoder


def _remote(name: str, model: ModelSettings, card: ModelCard) -> EmbeddingModel:
    if model.lacks_key:
        reason = f"needs the environment variable {model.api_key_variable!r}, which is not set"
        return EmbeddingModel(card=card, absent_reason=reason)
    return EmbeddingModel(card=card, embedder=_embedder(name, model))


def _embedder(name: str, model: ModelSettings) -> Embedder:
    upstream, key = model.upstream_model or name, model.key()
    if model.provider == "openai" and model.base_url is not None:
        from agents.llm_openai import OpenAILLM

        return OpenAILLM(base_url=model.base_url, model=upstream, api_key=key, timeout_seconds=model.timeout_seconds)
    if model.provider == "litellm":
        from agents.llm_litellm import LiteLLM

        return LiteLLM(model=upstream, api_key=key, api_base=model.base_url, timeout_seconds=model.timeout_seconds)
    raise SettingsInvalid(
        f"Model {name!r} cannot embed: `embeddings` takes the provider `litellm`, or `openai` with a `base_url`."
    )
