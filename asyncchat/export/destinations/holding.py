"""What a database holds, and what follows from it for an export that wants to begin. Decided without touching it."""

from __future__ import annotations

import json
from typing import Final

import attrs

from asyncchat import ConfigurationError
from asyncchat.export.report import KINDS, ExportReport, Query

MAIN: Final = "main"
"""The place of the export that readers see: its tables are called as its kinds of rows."""
NEW: Final = "new"
"""The place of an export that will replace a finished one."""

SCHEMA: Final = 2
"""The version of the tables' layout."""


@attrs.frozen
class Held:
    """An export that a database holds.

    Attributes:
        query: What was asked.
        report: None while it is not finished.
        has_marks: Whether it has any marks, which tell of what was committed.
    """

    query: Query
    report: ExportReport | None = None
    has_marks: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether it has only been begun, and is worth nothing."""
        return self.report is None and not self.has_marks


@attrs.frozen(kw_only=True)
class Plan:
    """What to do with a database when it is opened.

    Attributes:
        place: Where to write to; None: nowhere, the export is there already.
        begins: Whether the place's tables are to be made.
        drops: Places whose tables are to be dropped first.
    """

    place: str | None
    begins: bool = False
    drops: tuple[str, ...] = ()


def kinds_held(query: Query) -> tuple[str, ...]:
    """The kinds of rows that an export of a query has tables for."""
    return KINDS if query.messages else KINDS[:2]


def table_of(kind: str, place: str) -> str:
    """The table that holds a kind of rows at a place."""
    return kind if place == MAIN else f"asyncchat_new_{kind}"


def plan(query: Query, held: dict[str, Held], *, fresh: bool, name: str) -> Plan:
    """Decide where an export goes, and whether it goes on with one that did not finish.

    Args:
        query: What will be exported.
        held: What is there, by place.
        fresh: Whether to begin anew. A finished export stays until the new one takes its place.
        name: The database, for messages.

    Raises:
        ConfigurationError: It holds an export of another query.
    """
    blank = tuple(place for place, export in held.items() if export.is_blank)
    main, new = ({**held, **dict.fromkeys(blank)}.get(place) for place in (MAIN, NEW))
    if fresh:
        replaces = main is not None and main.report is not None
        drops = tuple(place for place in held if place == NEW or not replaces)
        return Plan(place=NEW if replaces else MAIN, begins=True, drops=drops)
    if new is not None and new.query == query:
        return Plan(place=NEW)
    if main is None:
        return Plan(place=MAIN, begins=True, drops=blank)
    if main.query != query:
        raise another_export(name, main.query, query)
    return Plan(place=MAIN if main.report is None else None)


def another_export(name: str, held: Query, wanted: Query) -> ConfigurationError:
    """The error of who wants one export and finds another one.

    Args:
        name: Where it is.
        held: What it is of.
        wanted: What it should be of.
    """
    return ConfigurationError(
        f"{name} holds another export already, of {in_words(held)}; this one is of {in_words(wanted)}: "
        "give another destination, or begin a fresh export, which replaces it"
    )


def in_words(query: Query) -> str:
    """A query for people."""
    bounds = [f"{word} {stamp}" for word, stamp in (("since", query.since), ("until", query.until)) if stamp]
    models = [f"models {', '.join(map(str, query.model_ids))}"] if query.model_ids else []
    rest = [] if query.messages else ["without messages"]
    return ", ".join([f"{query.source} as {query.format}", *bounds, *models, *rest])


def to_text(value: Query | ExportReport) -> str:
    """A query or report as JSON in ASCII: what a server said may hold lone surrogates."""
    return json.dumps(value.to_dict() if isinstance(value, Query) else value.manifest())


def from_texts(name: str, schema: object, query: str, report: str | None, marks: int = 0) -> Held:
    """Read back what was held.

    Args:
        name: The database, for messages and the report.
        schema: The version of its layout.
        query: As `to_text` wrote it.
        report: As `to_text` wrote it, None when there is none yet.
        marks: How many marks it has.

    Raises:
        ConfigurationError: Another version of this package wrote it.
    """
    if schema == SCHEMA:
        try:
            asked = json.loads(query)
            asked = Query(**{**asked, "model_ids": tuple(asked["model_ids"])})
            done = None if report is None else ExportReport.from_manifest(name, json.loads(report))
            return Held(asked, done, has_marks=marks > 0)
        except (KeyError, TypeError, ValueError):
            pass
    raise ConfigurationError(f"{name} holds an export of another version of asyncchat: give another destination")
