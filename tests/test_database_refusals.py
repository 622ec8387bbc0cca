"""What an export refuses in databases of every kind: other exports, foreign tables, damage."""

from __future__ import annotations

import pytest
from database_rows import OTHER, QUERY, batch, connection, held, report, select, truth, write_all

from asyncchat import ConfigurationError, ExportError
from asyncchat.export.destinations.base import Destination


def execute(url: str, *statements: str) -> None:
    opened = connection(url)
    for statement in statements:
        opened.execute(statement)
    opened.close()


@pytest.mark.parametrize("is_finished", [True, False])
def test_another_query_is_refused(destination: Destination, database: str, is_finished: bool) -> None:
    """Another query's export stays as it is, and the message names both."""
    if is_finished:
        write_all(destination)
    else:
        destination.open(QUERY, fresh=False)
        destination.commit(["1"])
    destination.close()
    before = held(database)
    with pytest.raises(ConfigurationError, match=r"of s as x; this one is of s as x, models 7"):
        destination.open(OTHER, fresh=False)
    assert held(database) == before


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE models (id integer)",
        "CREATE VIEW messages AS SELECT 1 AS id",
        "CREATE TABLE asyncchat_exports (id integer)",
        "CREATE TABLE asyncchat_new_messages (id integer)",
        "CREATE TABLE asyncchat_marks (place text, position integer, mark text)",
    ],
)
@pytest.mark.parametrize("fresh", [True, False])
def test_foreign_tables_are_not_touched(destination: Destination, database: str, statement: str, fresh: bool) -> None:
    """A table of somebody else's with one of our names is refused by name, and nothing is made beside it."""
    execute(database, statement)
    name = statement.split()[2]
    with pytest.raises(ConfigurationError, match=f"holds a table {name} that is no export's"):
        destination.open(QUERY, fresh=fresh)
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema IN ('public', 'main')"
    count = "SELECT count(*) FROM sqlite_master" if database.startswith("sqlite") else tables
    assert select(database, count) == [(1,)]


def test_a_foreign_table_beside_an_export(destination: Destination, database: str) -> None:
    """A table that takes the name of our next one is refused too; other names are nobody's business."""
    write_all(destination)
    destination.close()
    execute(database, "CREATE TABLE orders (id integer)")
    assert destination.open(QUERY, fresh=False).report is not None
    destination.close()
    execute(database, "CREATE TABLE asyncchat_new_models (id integer)")
    with pytest.raises(ConfigurationError, match="asyncchat_new_models"):
        destination.open(QUERY, fresh=True)


def test_a_table_that_is_gone(destination: Destination, database: str) -> None:
    """An export that has lost a table is not taken for one, and the message says what to drop."""
    write_all(destination)
    destination.close()
    execute(database, "DROP TABLE models")
    with pytest.raises(ExportError, match="has lost the table models: drop"):
        destination.open(QUERY, fresh=False)


def test_rows_that_are_gone(destination: Destination, database: str) -> None:
    """A finished export that has lost rows is not told to be complete; a fresh one may replace it."""
    write_all(destination)
    destination.close()
    execute(database, "DELETE FROM models WHERE id = 2")
    with pytest.raises(ExportError, match="holds 2 rows of models where 3 were written: begin a fresh"):
        destination.open(QUERY, fresh=False)
    write_all(destination, fresh=True)
    destination.close()
    assert held(database) == truth()


def test_a_report_that_is_wrong(destination: Destination, database: str) -> None:
    """An export is not finished with more rows in the report than in the tables."""
    destination.open(QUERY, fresh=False)
    destination.write(batch("models", 1))
    destination.commit(["1"])
    with pytest.raises(ExportError, match="holds 1 rows of models where 2 were written"):
        destination.finish(report(destination, {"models": 2}))
    assert destination.open(QUERY, fresh=False).marks == ["1"]
