"""OpenAI's embeddings: passed on to a named model, or made by the built-in sentence encoder."""

from __future__ import annotations

import array
import base64
import sys
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from agents.embedding import EmbeddingRequest
from orchestrator.embedding import MOST_TEXTS
from orchestrator.rest.chat_shapes import headers_of
from orchestrator.rest.identity_of import identity_of
from orchestrator.rest.schemas import Body
from orchestrator.rest.streamed import CLIENT_CLOSED_REQUEST, unless_left
from orchestrator.service import Service
from storage.errors import InvalidInput

router = APIRouter(prefix="/v1", tags=["openai"])


class EmbeddingsRequest(Body):
    """Texts alone: numbers of tokens are refused, for they mean something to one model only."""

    model: str
    input: str | Annotated[list[str], Field(min_length=1, max_length=MOST_TEXTS)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(default=None, ge=1, le=65_536)
    user: str | None = None  # not heeded


@router.post("/embeddings", response_model=None)
async def create_embeddings(body: EmbeddingsRequest, request: Request) -> Response:
    """A vector a text, in the order of the texts."""
    service: Service = request.app.state.service
    if service.embeddings is None:
        raise InvalidInput("This service embeds nothing.", field="model")
    texts = (body.input,) if isinstance(body.input, str) else tuple(body.input)
    wanted = EmbeddingRequest(texts=texts, dimensions=body.dimensions)
    work = service.embeddings.embed(wanted, model=body.model, identity=identity_of(request))
    embedded = await unless_left(request, work)
    if embedded is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    for listener in service.listeners:
        listener.answered(embedded.run)
    is_base64 = body.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": place, "embedding": as_base64(vector) if is_base64 else vector}
        for place, vector in enumerate(embedded.embeddings.vectors)
    ]
    tokens = embedded.run.usage.total
    answer: dict[str, Any] = {
        "object": "list",
        "data": data,
        "model": body.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return JSONResponse(answer, headers=headers_of(embedded.run))


def as_base64(vector: tuple[float, ...]) -> str:
    """Little-endian 32-bit floats, as OpenAI's clients read them."""
    numbers = array.array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()
