"""Finds kinds of work among the queries that a memory remembers, and lets the memory go on by them."""

from __future__ import annotations

import numpy as np

from routing.pheromone.memory import PheromoneMemory
from routing.pheromone.task_types import FoundTypes, find_task_types
from storage.errors import RecordNotFound
from storage.stores import PayloadStore, Stores
from storage.trail_records import TrailEvent


async def find_types(stores: Stores, memory: PheromoneMemory, *, count: int) -> tuple[FoundTypes, TrailEvent]:
    """The types, and the event that makes the memory go by them, which is stored. Queries whose text was erased count
    for nothing. Raises InvalidInput where too few are left.
    """
    vectors, payload_ids, encoder = memory.remembered()
    texts = [await _text(stores.payloads, payload_id) for payload_id in payload_ids]
    kept = [place for place, text in enumerate(texts) if text is not None]
    found = find_task_types(
        vectors[np.array(kept, dtype=np.int64)] if kept else vectors[:0],
        [texts[place] or "" for place in kept],
        encoder=encoder,
        count=count,
        former=memory.types,
    )
    memory.retype(found.types, found.former_to_task)
    (event,) = await stores.trails.append(memory.drain())
    return found, event


async def _text(payloads: PayloadStore, payload_id: str) -> str | None:
    try:
        return (await payloads.get(payload_id)).text
    except RecordNotFound:
        return None
