"""Generated requests to every route of a real service: no 5xx, no ignored key, answers as documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.api_fuzz import fuzzed


@pytest.mark.timeout(300)
def test_every_route_answers_as_its_document_says(tmp_path: Path) -> None:
    result = fuzzed(tmp_path, examples=1, seed=0)
    assert result["faults"] == []
    assert result["is_whole"], (tmp_path / "schemathesis.log").read_text()[-5000:]
    assert result["cases"] > 1000
