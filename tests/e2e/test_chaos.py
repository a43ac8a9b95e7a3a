"""The short storm: real services, and a real PostgreSQL, killed under load; nothing acknowledged is lost or doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chaos import run
from tests.postgres_server import PostgresUnavailable

POINTS = 4


@pytest.mark.timeout(240)
async def test_nothing_is_lost_when_services_are_killed_over_one_sqlite_file(tmp_path: Path) -> None:
    result = await run(points=POINTS, database="sqlite", seed=3, folder=tmp_path)
    assert result["faults"] == []
    assert result["jobs"]["succeeded"] > POINTS


@pytest.mark.postgres
@pytest.mark.timeout(240)
async def test_nothing_is_lost_when_services_and_their_database_are_killed(tmp_path: Path) -> None:
    try:
        result = await run(points=POINTS, database="postgresql", seed=5, folder=tmp_path)
    except PostgresUnavailable as error:
        pytest.skip(str(error))
    assert result["faults"] == []
    assert result["kills"].get("postgresql", 0) >= 1
    assert result["jobs"]["succeeded"] > POINTS
