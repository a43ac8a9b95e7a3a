"""One PostgreSQL server for the session, and stores over every backend."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres_server import PostgresServer, PostgresUnavailable, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    try:
        with running_postgres() as server:
            yield server
    except PostgresUnavailable as exc:
        pytest.skip(f"no PostgreSQL can be started: {exc}")


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: object) -> Iterator[str]:
    """URL of an empty store of the backend that the test is parametrized with (indirectly)."""
    if request.param == "postgresql":
        with request.getfixturevalue("postgres").database() as url:
            yield url
    elif request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/antroute.db"
    else:
        yield "memory:"
