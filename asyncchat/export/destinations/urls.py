"""Databases by URL."""

from __future__ import annotations

import re

from asyncchat.errors import ConfigurationError
from asyncchat.export.destinations.base import Destination


def make_database(url: str) -> Destination | None:
    """The database that a URL names; None when it is no URL.

    Raises:
        ConfigurationError: No destination is of that scheme.
    """
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", url)
    if scheme is None:
        return None
    raise ConfigurationError(f"there is no destination {scheme[1]}://: give a folder")
