"""The smallest real model for tests that need one: from the user's cache, fetched into it where it is not there."""

from __future__ import annotations

from pathlib import Path

from agents.model_files import fetch

SMALLEST_MODEL = "smollm2-135m"


def smallest_model_path() -> Path:
    return fetch(SMALLEST_MODEL)
