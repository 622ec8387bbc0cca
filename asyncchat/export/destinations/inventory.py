"""Which exports a database holds, and whether its tables are theirs."""

from __future__ import annotations

from typing import Final

from asyncchat import ConfigurationError, ExportError
from asyncchat.export.destinations.holding import MAIN, Held, from_texts, kinds_held, table_of
from asyncchat.export.destinations.store import Store
from asyncchat.export.destinations.tables import EXPORTS, MARKS, NAMES, SYNCS, UNPROVEN
from asyncchat.export.report import ExportReport

_READ_EXPORTS: Final = (
    f"SELECT place, layout, CAST(query AS TEXT), CAST(report AS TEXT), "  # noqa: S608 - our own names
    f"(SELECT count(*) FROM {MARKS} WHERE {MARKS}.place = {EXPORTS}.place) FROM {EXPORTS}"
)
_EXPORTS_COLUMNS: Final = ("place", "layout", "query", "report")


def find_exports(store: Store) -> dict[str, Held]:
    """The exports that are there, by place.

    Raises:
        ConfigurationError: A table of somebody else's has a name that an export needs.
        ExportError: A table of an export is gone.
    """
    taken = store.names((*NAMES, *store.own_names))
    if EXPORTS in taken and store.columns(EXPORTS) != _EXPORTS_COLUMNS:
        raise _foreign(store, EXPORTS)
    rows = store.execute(_READ_EXPORTS) if {EXPORTS, MARKS} <= taken else []
    held = {place: from_texts(store.name, *row) for place, *row in rows}
    own = {table_of(kind, place) for place, export in held.items() for kind in kinds_held(export.query)}
    own |= {EXPORTS, MARKS, SYNCS, UNPROVEN} if EXPORTS in taken else set()
    is_finished = MAIN in held and held[MAIN].report is not None
    for name in sorted(taken - own - set(store.own_names if is_finished else ())):
        raise _foreign(store, name)
    for name in sorted(own - taken):
        raise ExportError(f"{store.name} has lost the table {name}: drop what is left of the export ({EXPORTS} too)")
    return held


def finished(store: Store) -> ExportReport:
    """The report of the finished export that is there. A file that holds nothing is let go.

    Raises:
        ConfigurationError: There is none.
        ExportError: A table of it is gone.
    """
    held = find_exports(store).get(MAIN)
    if held is not None and held.report is not None:
        return held.report
    if not store.names(NAMES):
        store.forget()
    raise ConfigurationError(f"{store.name} holds no finished export: give the database of one")


def compare(store: Store, report: ExportReport, place: str, advice: str) -> None:
    """Hold the tables at a place against a report.

    Raises:
        ExportError: They hold more or fewer rows; it ends with the advice.
    """
    for kind in kinds_held(report.query):
        ((count,),) = store.execute(f"SELECT count(*) FROM {table_of(kind, place)}")  # noqa: S608 - our own names
        if count != report.rows.get(kind, 0):
            raise ExportError(
                f"{store.name} holds {count} rows of {kind} where {report.rows.get(kind, 0)} were written: {advice}"
            )


def _foreign(store: Store, name: str) -> ConfigurationError:
    return ConfigurationError(
        f"{store.name} holds a table {name} that is no export's: give another database, or rename it"
    )
