"""Which URL is which database, and what a URL with a password shows of itself."""

from __future__ import annotations

import traceback

import pytest

from asyncchat import ConfigurationError
from asyncchat.export.destinations.urls import make_database


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///chats.db", "sqlite:///chats.db"),
        ("sqlite:////var/chats.db", "sqlite:////var/chats.db"),
        ("SQLite:///my%20chats.db", "sqlite:///my chats.db"),
        ("duckdb:///chats.duckdb", "duckdb:///chats.duckdb"),
        ("postgresql://me:secret@db.example.com:5432/chats", "postgresql://db.example.com:5432/chats"),
        ("postgres://db.example.com/chats?sslmode=require", "postgresql://db.example.com/chats"),
        ("postgresql:///chats?host=/run/postgresql&password=secret", "postgresql:///chats"),
        ("postgresql://me:a%40b@[::1]/chats", "postgresql://[::1]/chats"),
    ],
)
def test_a_url_of_a_database(url: str, name: str) -> None:
    """A URL makes a destination that is called as the URL, but without user, password and options."""
    destination = make_database(url)
    assert destination is not None
    assert destination.name == name
    assert "secret" not in repr(destination)


@pytest.mark.parametrize("path", ["chats", "./chats", "/var/chats", r"C:\chats", "C:/chats", "a:b", "://", ""])
def test_a_path_is_no_url(path: str) -> None:
    """What has no scheme is a folder's path, and left to others."""
    assert make_database(path) is None


def test_an_unknown_scheme() -> None:
    """Another database's URL is refused with the kinds that there are, and shows no password."""
    with pytest.raises(ConfigurationError, match="sqlite:///FILE, duckdb:///FILE or postgresql://HOST") as caught:
        make_database("mysql://me:pa55word@host/chats")
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite://chats.db", "sqlite:///", "sqlite://", "duckdb://", "sqlite:///a.db?mode=ro"])
def test_a_url_without_a_file(url: str) -> None:
    """A file's URL that names none, or has options, is refused with the form to write."""
    with pytest.raises(ConfigurationError, match=r"(sqlite|duckdb):///FILE|%3F"):
        make_database(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:pa55/word@host/chats",
        "postgresql://me:pa55?word@host/chats",
        "postgresql://me:pa55#word@host/chats",
        "postgresql://me:pa55@word@host/chats",
    ],
)
def test_a_password_that_is_not_encoded(url: str) -> None:
    """A password that cuts its URL in two is refused before a part of it is taken for a host, and is not shown."""
    with pytest.raises(ConfigurationError, match="write @ as %40") as caught:
        make_database(url)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = [line for frame in frames.stack[1:] for line in (frame.locals or {}).items()]
    assert shown
    assert "pa55" not in repr((shown, str(caught.value)))
