"""Which conversations a copy is of."""

from __future__ import annotations

from collections.abc import Callable

from asyncchat import RawRow
from asyncchat.export.destinations.heads import model_of
from asyncchat.export.report import Query
from asyncchat.export.start import make_second
from asyncchat.export.syncing.news import second_of


def is_of_time(query: Query) -> Callable[[RawRow], bool]:
    """What tells whether a conversation was made in the time that a copy is of."""
    since = make_second(query.since)
    return lambda row: since is None or second_of(row) >= since


def is_of_models(query: Query) -> Callable[[RawRow], bool]:
    """What tells whether a conversation is of the models that a copy is of."""
    wanted = frozenset(query.model_ids)
    return lambda row: not wanted or model_of(row.json) in wanted
