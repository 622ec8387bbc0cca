"""Databases by URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from asyncchat import ConfigurationError
from asyncchat.export.destinations.base import Destination

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+)://")  # two letters at least: C:\ is a drive
_FORMS: Final = "sqlite:///FILE, duckdb:///FILE or postgresql://HOST/DATABASE"


def make_database(url: str) -> Destination | None:
    """The database that a URL names, None when it is no URL but a folder's path.

    Args:
        url: `sqlite:///FILE` and `duckdb:///FILE`, where a fourth slash begins an absolute path; `postgresql://...` or
            `postgres://...` as libpq takes it.

    Raises:
        ConfigurationError: There is no such kind of database, or its file or server is not named.
    """
    try:
        return _made(url)
    except ConfigurationError as exc:
        wrong = str(exc)
    del url  # it may hold a password, and a traceback shows the locals of its frames
    raise ConfigurationError(wrong)


def _made(url: str) -> Destination | None:
    match = _URL.match(url)
    if match is None:
        return None
    make = _MAKERS.get(match[1].lower())
    if make is None:
        raise ConfigurationError(f"there is no destination of the kind {match[1]}://: give a folder, or {_FORMS}")
    return make(url)


def _file(url: str) -> Path:
    scheme, _, rest = url.partition("://")
    if not rest.startswith("/") or rest == "/":
        raise ConfigurationError(
            f"the {scheme} URL names no file: write {scheme}:///FILE, with three slashes, or four for an absolute path"
        )
    if "?" in rest:
        raise ConfigurationError(f"the {scheme} URL has options, which are not taken: in a file's name ? is %3F")
    return Path(unquote(rest[1:]))


def _sqlite(url: str) -> Destination:
    from asyncchat.export.destinations.sqlite import SQLiteDestination  # noqa: PLC0415 - its driver is not everywhere

    return SQLiteDestination(_file(url))


def _duckdb(url: str) -> Destination:
    from asyncchat.export.destinations.duckdb import DuckDBDestination  # noqa: PLC0415 - an extra

    return DuckDBDestination(_file(url))


def _postgres(url: str) -> Destination:
    from asyncchat.export.destinations.postgres import PostgreSQLDestination  # noqa: PLC0415 - an extra

    return PostgreSQLDestination(url)


_MAKERS: Final[Mapping[str, Callable[[str], Destination]]] = {
    "sqlite": _sqlite,
    "duckdb": _duckdb,
    "postgresql": _postgres,
    "postgres": _postgres,
}
