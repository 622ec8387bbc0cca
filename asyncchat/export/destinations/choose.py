"""Which destination an argument names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from asyncchat.errors import ConfigurationError
from asyncchat.export.destinations.base import Destination
from asyncchat.export.destinations.folder import FolderDestination
from asyncchat.export.destinations.urls import make_database


def choose_destination(
    destination: str | os.PathLike[str] | Destination,
    *,
    format: str | None,  # noqa: A002 - the field's name for it
    csv_raw: bool = False,
) -> Destination:
    """The destination that a path, a URL or an object of one's own names.

    Args:
        destination: It.
        format: Of the part files in a folder; None: that of the export which it holds, "jsonl" where it holds none.
        csv_raw: Whether CSV holds texts as they are.

    Raises:
        ConfigurationError: It names none, or lacks an extra.
    """
    try:
        return _chosen(destination, format, csv_raw=csv_raw)
    except ConfigurationError as exc:
        wrong = str(exc)
    del destination  # a URL may hold a password, and a traceback shows the locals of its frames
    raise ConfigurationError(wrong)


def _chosen(
    destination: str | os.PathLike[str] | Destination, file_format: str | None, *, csv_raw: bool
) -> Destination:
    if not isinstance(destination, str | os.PathLike):
        return _checked(destination)
    name = os.fspath(destination)
    if not name:
        raise ConfigurationError("the destination is empty: give a folder, which is made if it is not there")
    database = make_database(name) if isinstance(destination, str) else None
    if database is None:
        folder = Path(name)
        if file_format is None:
            return FolderDestination.as_found(folder)
        return FolderDestination(folder, format=file_format, csv_raw=csv_raw)
    if file_format not in {None, "jsonl"} or csv_raw:
        raise ConfigurationError(f"format is for part files in a folder: {database.name} is a database")
    return database


def _checked(destination: object) -> Destination:
    lacking = [name for name in ("name", "format", *_METHODS) if not hasattr(destination, name)]
    if lacking:
        raise ConfigurationError(
            f"destination takes a path, a URL or a Destination, which {type(destination).__name__} is not: "
            f"it has no {lacking[0]}"
        )
    return cast("Destination", destination)


_METHODS = ("open", "write", "commit", "finish", "close")
