"""PostgreSQL, from a server of the session's own: restarts, refusals, passwords."""

from __future__ import annotations

import sys
import traceback

import pytest
from database_rows import QUERY, batch, connection, held, report, select, truth, write_all
from postgres_server import PASSWORD, PostgreSQLServer, free_port

from asyncchat import AsyncChatError, ConfigurationError, ExportError
from asyncchat.export.destinations import postgres as module
from asyncchat.export.destinations.postgres import PostgreSQLDestination


def shown(error: BaseException) -> str:
    """Everything that a traceback with locals says, but for this test's own frames."""
    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        told = traceback.TracebackException.from_exception(seen, capture_locals=True)
        lines += ["".join(frame.locals.values()) for frame in told.stack if frame.filename != __file__ and frame.locals]
        lines.append(str(seen))
        seen = seen.__cause__ or seen.__context__
    return "\n".join(lines)


def refused(url: str, kind: type[AsyncChatError]) -> str:
    with pytest.raises(kind) as caught:
        PostgreSQLDestination(url).open(QUERY, fresh=False)
    assert "\n" not in str(caught.value)
    assert "pa55" not in shown(caught.value)
    return str(caught.value)


# ---- restarts


def test_a_restart_in_the_middle(postgres: PostgreSQLServer, postgres_url: str) -> None:
    """A server that goes and comes back loses nothing that was committed; the same command goes on from there."""
    destination = PostgreSQLDestination(postgres_url)
    destination.open(QUERY, fresh=False)
    destination.write(batch("models", 1, 2, 3))
    destination.commit(["0"])
    destination.write(batch("conversations", 1))
    destination._session.flush()
    postgres.restart()
    with pytest.raises(
        ExportError, match=r"what was committed stays: .*run the same command again: it goes on"
    ) as caught:
        destination.commit(["1"])
    assert "pa55" not in shown(caught.value)
    with pytest.raises(ExportError, match="open it again"):
        destination.commit([])
    destination.close()
    write_all(destination)
    destination.close()
    assert held(postgres_url) == truth()


def test_a_restart_while_a_fresh_export_ends(postgres: PostgreSQLServer, postgres_url: str) -> None:
    """A server that goes just before the end of a fresh export has the finished one when it is back."""
    destination = PostgreSQLDestination(postgres_url)
    write_all(destination, edition="old")
    commit = destination._store.commit

    def gone() -> None:
        postgres.restart()
        commit()

    destination.open(QUERY, fresh=True)
    destination._store.commit = gone  # type: ignore[method-assign]
    with pytest.raises(ExportError, match="it goes on"):
        destination.finish(report(destination, {}))
    destination.close()
    assert held(postgres_url) == truth("old")


# ---- refusals


def test_a_wrong_password(postgres: PostgreSQLServer) -> None:
    """A password that the server refuses is not shown, and the message says whom it was refused."""
    message = refused(postgres.url(password="pa55wrong"), ConfigurationError)
    assert 'password authentication failed for user "exporter"' in message


def test_a_database_that_is_not_there(postgres: PostgreSQLServer) -> None:
    """A database that does not exist is named."""
    assert 'database "nowhere" does not exist' in refused(postgres.url("nowhere"), ConfigurationError)


def test_a_server_that_is_down() -> None:
    """A server that does not listen is told by its address."""
    message = refused(f"postgresql://me:{PASSWORD}@127.0.0.1:{free_port()}/chats", ExportError)
    assert "Connection refused" in message
    assert "start the server" in message


def test_an_option_that_is_none() -> None:
    """An URL that the library does not take says no more than that."""
    message = refused(f"postgresql://me:{PASSWORD}@127.0.0.1/chats?pa55=1", ConfigurationError)
    assert "the URL cannot be read" in message


def test_a_user_who_may_not(postgres_url: str) -> None:
    """A user without rights is told what is missing."""
    with connection(postgres_url) as server:
        server.execute("CREATE ROLE reader LOGIN PASSWORD 'pa55-reader'")
        try:
            url = postgres_url.replace(f"exporter:{PASSWORD}", "reader:pa55-reader")
            assert "permission denied for schema public" in refused(url, ExportError)
        finally:
            server.execute("DROP ROLE reader")


def test_a_view_on_the_old_tables(postgres_url: str) -> None:
    """A view on the finished export keeps a fresh one from replacing it, and both stay."""
    destination = PostgreSQLDestination(postgres_url)
    write_all(destination, edition="old")
    with connection(postgres_url) as server:
        server.execute("CREATE VIEW mine AS SELECT * FROM messages")
        with pytest.raises(ExportError, match=r"other objects depend .* run the same command again"):
            write_all(destination, edition="new", fresh=True)
        destination.close()
        assert held(postgres_url) == truth("old")
        server.execute("DROP VIEW mine")
    write_all(destination, edition="new")
    destination.close()
    assert held(postgres_url) == truth("new")


def test_a_session_that_does_not_end(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who goes on reading the finished export keeps a fresh one from replacing it, for a while only."""
    monkeypatch.setattr(module, "_TABLE_WAIT", "10ms")
    destination = PostgreSQLDestination(postgres_url)
    write_all(destination, edition="old")
    with connection(postgres_url) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM messages")
        with pytest.raises(ExportError, match=r"another session uses the tables: end that, .* it goes on"):
            write_all(destination, edition="new", fresh=True)
        destination.close()
    assert held(postgres_url) == truth("old")
    write_all(destination, edition="new")
    destination.close()
    assert held(postgres_url) == truth("new")


def test_a_database_that_holds_less_than_unicode(postgres: PostgreSQLServer) -> None:
    """A database in another encoding is refused before the first row that it cannot hold."""
    with connection(postgres.url()) as server:
        server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
        try:
            assert "give a database in UTF8" in refused(postgres.url("latin"), ConfigurationError)
        finally:
            server.execute("DROP DATABASE latin")


def test_a_schema_of_choice(postgres_url: str) -> None:
    """Tables are made in the schema that the connection begins with; those of other schemas are nobody's business."""
    with connection(postgres_url) as server:
        server.execute("CREATE SCHEMA chats")
        server.execute("CREATE TABLE public.models (id integer)")
    destination = PostgreSQLDestination(f"{postgres_url}?options=-csearch_path%3Dchats,public")
    write_all(destination)
    write_all(destination, fresh=True)
    destination.close()
    assert select(postgres_url, "SELECT count(*) FROM chats.messages") == [(140,)]


def test_keys_keep_their_names(postgres_url: str) -> None:
    """However often an export was replaced, its primary keys are called as PostgreSQL calls them."""
    destination = PostgreSQLDestination(postgres_url)
    for _ in range(3):
        write_all(destination, fresh=True)
    destination.close()
    found = select(postgres_url, "SELECT conname FROM pg_constraint WHERE conrelid = 'messages'::regclass")
    assert found == [("messages_pkey",)]


def test_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, one line says what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    message = refused(f"postgresql://me:{PASSWORD}@127.0.0.1/chats", ConfigurationError)
    assert message == "PostgreSQL needs psycopg: pip install 'asyncchat[postgres]'"
