"""The models that OpenAI's clients may name: `auto`, a policy's `auto:NAME`, every candidate, and what embeds texts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from orchestrator.errors import UnknownModel
from orchestrator.service import Service

router = APIRouter(prefix="/v1", tags=["openai"])


@router.get("/models")
async def list_models(request: Request) -> dict[str, Any]:
    """`auto`, one `auto:POLICY` a policy, every candidate, and every model that embeds."""
    return {"object": "list", "data": [_view(name) for name in _names(request.app.state.service)]}


@router.get("/models/{model_id:path}")
async def get_model(model_id: str, request: Request) -> dict[str, Any]:
    """One of them by its id, which may hold slashes."""
    names = _names(request.app.state.service)
    if model_id not in names:
        raise UnknownModel(f"No model {model_id!r}; known: {', '.join(names)}.", field="model")
    return _view(model_id)


def _names(service: Service) -> list[str]:
    policies = (f"auto:{name}" for name in service.policies)
    embedding = service.embeddings.name_to_model if service.embeddings else {}
    return ["auto", *policies, *service.nodes.candidates, *embedding]


def _view(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "antroute"}
