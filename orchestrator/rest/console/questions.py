"""The first words of what was asked, for lists: personal data, so read from where it can be erased, and cut."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from storage.stores import Stores

LETTERS = 120  # of a question that a list shows


async def questions_of(stores: Stores, decision_ids: Sequence[str]) -> dict[str, str | None]:
    """By decision; None: erased."""
    decisions = await asyncio.gather(*(stores.decisions.get(each) for each in decision_ids))
    payloads = await stores.audit.payloads(list({decision.payload_id for decision in decisions}))
    found = {}
    for decision in decisions:
        payload = payloads.get(decision.payload_id)
        text = None if payload is None else payload.text
        found[decision.id] = None if text is None else text[:LETTERS]
    return found
