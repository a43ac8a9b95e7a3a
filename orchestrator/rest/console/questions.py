"""The first words of what was asked, for lists: personal data, so read from where it can be erased, and cut."""

from __future__ import annotations

from collections.abc import Sequence

from storage.stores import Stores

LETTERS = 120  # of a question that a list shows


async def questions_of(stores: Stores, decision_ids: Sequence[str]) -> dict[str, str | None]:
    """By decision; None: erased."""
    id_to_payload_id = await stores.decisions.payload_ids(decision_ids)
    payloads = await stores.audit.payloads(list(set(id_to_payload_id.values())))
    found: dict[str, str | None] = {}
    for decision_id in decision_ids:
        payload = payloads.get(id_to_payload_id.get(decision_id, ""))
        text = None if payload is None else payload.text
        found[decision_id] = None if text is None else text[:LETTERS]
    return found
