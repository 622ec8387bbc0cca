"""What an export does with a database that holds one already: decided without one."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from database_rows import OTHER, QUERY

from asyncchat import ConfigurationError
from asyncchat.export import ExportReport
from asyncchat.export.destinations.holding import MAIN, NEW, SCHEMA, Held, Plan, from_texts, in_words, plan, to_text

DONE = ExportReport.from_manifest(
    "d",
    {
        "format": "asyncchat-export/1",
        "query": QUERY.to_dict(),
        "as_of": "2025-06-01T00:00:00+00:00",
        "rows": {},
        "parts": [],
        "certificates": {},
        "uncertified": ["\ud800\0"],
        "deleted": [],
        "requests": 0,
        "retries": 0,
        "seconds": 0.0,
    },
)
FINISHED, UNFINISHED, BLANK = Held(QUERY, DONE), Held(QUERY, has_marks=True), Held(QUERY)
ELSE = Held(OTHER, has_marks=True)


@pytest.mark.parametrize(
    ("held", "fresh", "expected"),
    [
        ({}, False, Plan(place=MAIN, begins=True)),
        ({}, True, Plan(place=MAIN, begins=True)),
        ({MAIN: UNFINISHED}, False, Plan(place=MAIN)),
        ({MAIN: UNFINISHED}, True, Plan(place=MAIN, begins=True, drops=(MAIN,))),
        ({MAIN: ELSE}, True, Plan(place=MAIN, begins=True, drops=(MAIN,))),
        ({MAIN: BLANK}, False, Plan(place=MAIN, begins=True, drops=(MAIN,))),
        ({MAIN: Held(OTHER)}, False, Plan(place=MAIN, begins=True, drops=(MAIN,))),
        ({MAIN: FINISHED, NEW: BLANK}, False, Plan(place=None)),
        ({MAIN: FINISHED, NEW: BLANK}, True, Plan(place=NEW, begins=True, drops=(NEW,))),
        ({MAIN: FINISHED}, False, Plan(place=None)),
        ({MAIN: FINISHED}, True, Plan(place=NEW, begins=True)),
        ({MAIN: FINISHED, NEW: UNFINISHED}, False, Plan(place=NEW)),
        ({MAIN: FINISHED, NEW: UNFINISHED}, True, Plan(place=NEW, begins=True, drops=(NEW,))),
        ({MAIN: FINISHED, NEW: ELSE}, False, Plan(place=None)),
        ({MAIN: Held(OTHER, DONE), NEW: UNFINISHED}, False, Plan(place=NEW)),
        ({MAIN: Held(OTHER, DONE)}, True, Plan(place=NEW, begins=True)),
    ],
)
def test_the_plan(held: dict[str, Held], fresh: bool, expected: Plan) -> None:
    """An unfinished export goes on, a finished one stays, and a fresh one drops only what was not finished."""
    assert plan(QUERY, held, fresh=fresh, name="d") == expected


@pytest.mark.parametrize("held", [ELSE, Held(OTHER, DONE)])
def test_another_query_is_refused(held: Held) -> None:
    """Another query's export is not touched, and the message names both queries."""
    with pytest.raises(ConfigurationError, match=r"of s as x, models 7; this one is of s as x:"):
        plan(QUERY, {MAIN: held}, fresh=False, name="d")


def test_a_query_in_words() -> None:
    """Every part of a query that makes it another one is told."""
    query = attrs.evolve(QUERY, since="2025", until="2026", model_ids=(1, 2), messages=False)
    assert in_words(query) == "s as x, since 2025, until 2026, models 1, 2, without messages"


def test_what_is_written_is_read_back() -> None:
    """A query and a report come back as they were, as ASCII between."""
    texts = to_text(QUERY), to_text(DONE)
    assert "".join(texts).isascii()
    assert from_texts("d", SCHEMA, *texts) == FINISHED


@pytest.mark.parametrize(
    ("layout", "query", "report"),
    [
        (SCHEMA + 1, to_text(QUERY), None),
        (None, to_text(QUERY), None),
        (SCHEMA, "{", None),
        (SCHEMA, "[]", None),
        (SCHEMA, json.dumps({**QUERY.to_dict(), "later": 1}), None),
        (SCHEMA, to_text(QUERY), '{"format": "asyncchat-export/9"}'),
    ],
)
def test_another_version(layout: Any, query: str, report: str | None) -> None:
    """What another version has written, or somebody by hand, is refused and not guessed."""
    with pytest.raises(ConfigurationError, match="another version"):
        from_texts("d", layout, query, report)
