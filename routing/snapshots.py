"""The readable, hashed form of what a policy has learned."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import orjson


def state_sha256(state: Mapping[str, object]) -> str:
    """SHA-256 of the state as compact JSON with sorted keys, floats in their shortest exact form."""
    return hashlib.sha256(orjson.dumps(state, option=orjson.OPT_SORT_KEYS)).hexdigest()
