"""Whole exports into databases of every kind, from an API in memory."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from database_rows import select
from export_api import FakeApi, Row, is_window
from postgres_server import PASSWORD, PostgreSQLServer, free_port

from asyncchat import AsyncChatError, AuthenticationError, ConfigurationError, Response
from asyncchat.export import ExportReport, export

REFUSED = Response(status=401, body=b'{"message": "no"}')


async def run(api: FakeApi, url: str, **options: Any) -> ExportReport:
    async with api.client(per_page=5) as client:
        return await export(client, url, **options)


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """What is in the tables of interest."""
    return {
        "models": select(url, "SELECT id, name FROM models ORDER BY id"),
        "conversations": select(url, "SELECT id, model_id, platform FROM conversations ORDER BY id"),
        "messages": select(url, "SELECT id, conversation_id, message FROM messages ORDER BY id"),
    }


def expected(api: FakeApi) -> dict[str, list[tuple[Any, ...]]]:
    """What ought to be in them."""
    columns = {
        "models": ("id", "name"),
        "conversations": ("id", "model_id", "platform"),
        "messages": ("id", "conversation_id", "message"),
    }

    def values(row: Row, names: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(row[name] for name in names)

    return {kind: [values(row, names) for row in api.rows(kind)] for kind, names in columns.items()}


@pytest.mark.asyncio
async def test_an_export_into_a_database(database: str) -> None:
    """Every row is in its table once, and the same export again asks for nothing and says what there is."""
    api = FakeApi.of(23, messages=7)
    report = await run(api, database)
    assert report.certified
    assert rows(database) == expected(api)
    asked = len(api.requests)
    again = await run(api, database)
    assert again.reused
    assert (again.rows, again.as_of, len(api.requests)) == (report.rows, report.as_of, asked)
    assert not report.parts


@pytest.mark.asyncio
async def test_an_export_that_was_stopped(database: str) -> None:
    """An export that was stopped in the middle goes on from its marks, and reads no window of them again."""
    api = FakeApi.of(60)
    api.answer = lambda _: REFUSED if len(api.requests) > 50 else None
    with pytest.raises(AuthenticationError):
        await run(api, database)
    kept = {message_id for (message_id, *_) in rows(database)["messages"]}
    api.answer, api.requests[:] = lambda _: None, []
    report = await run(api, database)
    assert report.resumed
    assert rows(database) == expected(api)
    paths = [request.path for request in api.requests]
    assert kept
    assert not [number for number in kept if f"/conversations/{number // 1000}/messages" in paths]


@pytest.mark.asyncio
async def test_a_fresh_export(database: str) -> None:
    """A fresh export has what there is now, and nothing of what has gone since."""
    await run(FakeApi.of(9), database)
    api = FakeApi.of(4, messages=3)
    await run(api, database, fresh=True)
    assert rows(database) == expected(api)


@pytest.mark.asyncio
async def test_another_export(database: str) -> None:
    """An export of something else is refused before the server is asked anything."""
    await run(FakeApi.of(2), database)
    api = FakeApi.of(2)
    with pytest.raises(ConfigurationError, match=r"models 1: give another destination"):
        await run(api, database, models=[1])
    assert api.requests == []


def shown(error: BaseException) -> str:
    """What a traceback with locals says, but for this file's own frames."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in told.stack if frame.filename != __file__]
    assert any(frame.filename.endswith("exporting.py") for frame in frames)
    return "\n".join([str(error), *("\n".join(frame.locals.values()) for frame in frames if frame.locals)])


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace(PASSWORD, "pa55wrong"),
        lambda url: url.replace(":" + PASSWORD, ":pa55/wrong"),
        lambda url: url.replace("postgresql:", "mysql:"),
        lambda url: f"postgresql://exporter:{PASSWORD}@127.0.0.1:{free_port()}/chats",
    ],
)
async def test_no_password_is_shown(postgres: PostgreSQLServer, change: Any) -> None:
    """Whatever a URL with a password leads to, the password is not in the error nor in its frames."""
    with pytest.raises(AsyncChatError) as caught:
        await run(FakeApi.of(1), change(postgres.url()))
    assert "pa55" not in shown(caught.value)
    assert caught.value.__context__ is None or "pa55" not in shown(caught.value.__context__)


@pytest.mark.asyncio
async def test_no_password_is_shown_by_a_failing_server(postgres_url: str) -> None:
    """An export that fails in the middle does not show where it went with a password."""
    api = FakeApi.of(3, answer=lambda request: REFUSED if is_window(request) else None)
    with pytest.raises(AuthenticationError) as caught:
        await run(api, postgres_url)
    assert "pa55" not in shown(caught.value)
