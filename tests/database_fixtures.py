"""Fixtures of databases: one of each kind, empty. Imported by `conftest`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_rows import connection
from postgres_server import NotInstalledError, PostgreSQLServer, running_server

from asyncchat.export.destinations.base import Destination
from asyncchat.export.destinations.urls import make_database


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQLServer]:
    """A PostgreSQL server; skips where none is installed."""
    try:
        with running_server() as server:
            yield server
    except NotInstalledError as exc:
        pytest.skip(str(exc))


@pytest.fixture
def postgres_url(postgres: PostgreSQLServer) -> Iterator[str]:
    """An empty database on the server."""
    name = f"t{uuid.uuid4().hex}"
    for statement in (f"CREATE DATABASE {name}", f"DROP DATABASE {name} WITH (FORCE)"):
        with connection(postgres.url()) as server:
            server.execute(statement)
        if statement.startswith("CREATE"):
            yield postgres.url(name)


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"{request.param}:///{tmp_path / 'chats.db'}"


@pytest.fixture
def destination(database: str) -> Iterator[Destination]:
    """The destination in an empty database of each kind."""
    made = make_database(database)
    assert made is not None
    yield made
    made.close()
