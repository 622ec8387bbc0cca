"""Selects: the SQL of a listing, made from a query without touching a database."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from attrs import frozen

from asyncchat.sandbox.data import times

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from asyncchat.sandbox.behaviour import Order
    from asyncchat.sandbox.data.query import Query
    from asyncchat.sandbox.data.tables import Kind

COLUMNS: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "models": "id, body",
        "conversations": "id, body",
        "messages": "id, conversation_id, seq, sender, message, created_at",
    }
)
"""What is read of a row."""
# True of every row, and looked at for each that OFFSET skips, as real servers check whether a row may be seen.
_SEEN: Final = "abs(created_at % 86400) + abs(id % 86400) >= 0"
_FRACTION: Final = "(id * 7919 % 1000)"  # milliseconds that a row has beyond its second, and never shows
_TIE: Final = "((id & 4294967295) * ? % 2147483647)"  # another place for each id with each number


@frozen
class View:
    """How rows are looked at.

    Attributes:
        order: The order of rows.
        shuffle: A number below 2**31 by which rows of one second are shuffled; None: they come by their ids.
        fractions: Whether a row has its hidden milliseconds.
    """

    order: Order = "time"
    shuffle: int | None = None
    fractions: bool = False


@frozen
class Select:
    """Two statements over the same rows: how many there are, and one page of them.

    Attributes:
        count: SQL that gives one number; takes `values`.
        page: SQL that gives the rows; takes `values` and `tail`.
        values: What both statements compare with.
        tail: What the order takes, then LIMIT and OFFSET.
    """

    count: str
    page: str
    values: tuple[int, ...]
    tail: tuple[int, ...]


def statement(columns: str, table: str, rest: str = "") -> str:
    """Put a SELECT together; every part is this package's own text, no caller's."""
    return f"SELECT {columns} FROM {table} {rest}"  # noqa: S608 - values are always bound


def listing(kind: Kind, query: Query, view: View, **scope: int) -> Select:
    """Make the statements of a listing.

    Args:
        kind: Which rows.
        query: Page, filter and time field.
        view: Order and fractions.
        scope: Columns with the value that they must have, such as `model_id=7`.
    """
    conditions = [f"{name} = ?" for name in scope]
    values = list(scope.values())
    for bound, sign in ((query.since, ">="), (query.until, "<=")):
        if bound is not None:
            condition, compared = _bound(query.sort, sign, bound, view)
            conditions.append(condition)
            values += compared
    order, shuffle = _order(kind, query, view)
    return Select(
        count=statement("COUNT(*)", kind, _where(conditions)),
        page=statement(COLUMNS[kind], kind, f"{_where([*conditions, _SEEN])} ORDER BY {order} LIMIT ? OFFSET ?"),
        values=tuple(values),
        tail=(*shuffle, query.per_page, query.offset),
    )


def _where(conditions: list[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _bound(field: str, sign: str, moment: datetime, view: View) -> tuple[str, list[int]]:
    step = times.ceil if sign == ">=" else times.floor
    if not view.fractions:
        return f"{field} {sign} ?", [step(moment)]
    second, millisecond = divmod(step(moment, 1_000), 1_000)
    # The first part is for the index: the second one alone would be read without.
    return f"{field} {sign} ? AND ({field}, {_FRACTION}) {sign} (?, ?)", [second, second, millisecond]


def _order(kind: Kind, query: Query, view: View) -> tuple[str, tuple[int, ...]]:
    name = view.order.removeprefix("-")
    field = query.sort if name == "time" else name
    if field == "updated_at" and kind != "conversations":
        field = "created_at"
    keys = [field]
    taken: tuple[int, ...] = ()
    if field != "id":
        keys += [_FRACTION] if view.fractions and kind != "messages" else []
        keys += [_TIE] if view.shuffle is not None else []
        keys += ["id"]
        taken = () if view.shuffle is None else (view.shuffle,)
    direction = " DESC" if view.order.startswith("-") else ""
    return ", ".join(f"{key}{direction}" for key in keys), taken
