"""The texts of stored queries, as far as they are not erased, and their vectors by the encoder that is here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.replay.parts import ReplayParts
from routing.errors import EncoderUnavailable
from routing.features import excerpt
from storage.records import Decision

ERASED = "its text was erased"


@dataclass(frozen=True, kw_only=True, eq=False)
class SeenText:
    """A query's text and vector; or why one of them is not to be had."""

    text: str | None = None
    vector: NDArray[np.float32] | None = None
    lack: str = ""  # empty: both are there


async def text_of(parts: ReplayParts, decision: Decision) -> SeenText:
    """Of one decision, encoded alone: in the batch that it came in, its vector may have had other last bits."""
    [text] = (await texts_of(parts, [decision])).values()
    if text is None:
        return SeenText(lack=ERASED)
    try:
        encoder = await asyncio.to_thread(parts.encoder, decision.encoder)
    except EncoderUnavailable as error:
        return SeenText(text=text, lack=f"no encoder: {error}")
    if encoder.name != decision.encoder:
        return SeenText(text=text, lack=f"it was made with encoder {decision.encoder!r}; here is {encoder.name!r}")
    [vector] = await asyncio.to_thread(encoder.encode, [excerpt(text)])
    return SeenText(text=text, vector=vector)


async def texts_of(parts: ReplayParts, decisions: Sequence[Decision]) -> Mapping[str, str | None]:
    """By decision id; None: erased, or not there."""
    ids = list(dict.fromkeys(decision.payload_id for decision in decisions))
    payloads = await parts.stores.audit.payloads(ids)
    return {
        decision.id: None if (payload := payloads.get(decision.payload_id)) is None else payload.text
        for decision in decisions
    }
