"""What a kind of database has to be able to do."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias

from asyncchat import ExportError
from asyncchat.export.destinations.columns import Type
from asyncchat.export.destinations.tables import Dialect

Values: TypeAlias = tuple[Any, ...]


class Store(abc.ABC):
    """A connection to a database, in its own SQL and with its own quickest way in.

    Nothing here is called before `connect` or after `close`, but for `close` itself. The database's own exceptions are
    let through.

    Attributes:
        dialect: How it spells what is spelled differently.
        own_names: Tables that a finished export has besides those of all databases.
        errors: The exceptions that it raises, once it is connected.
        keeps_nul: Whether its texts may hold U+0000.
    """

    dialect: ClassVar[Dialect]
    keeps_nul: ClassVar[bool] = True
    own_names: ClassVar[tuple[str, ...]] = ()
    errors: tuple[type[Exception], ...] = ()

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What it is called in messages and reports: without a password."""

    @abc.abstractmethod
    def connect(self) -> None:
        """Connect, and lock out other exporters.

        Raises:
            ConfigurationError: It cannot be connected to as told.
            ExportError: Another exporter writes to it, or it does not answer.
        """

    def prepare(self) -> None:  # noqa: B027 - not every kind has something to do
        """Make ready for writing. Called when it is known that nobody else's tables are there."""

    @abc.abstractmethod
    def names(self, wanted: Sequence[str]) -> set[str]:
        """Which of some names are taken, by tables or anything else that a table's name would clash with."""

    @abc.abstractmethod
    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a table, in their order."""

    @abc.abstractmethod
    def execute(self, sql: str, values: Values = ()) -> list[Values]:
        """Execute a statement; returns its rows. Parameters are `dialect.parameter`."""

    @abc.abstractmethod
    def load(self, table: str, kind: str, rows: Sequence[Values]) -> None:
        """Put rows into a table, over those with the same key.

        Args:
            table: The table.
            kind: Whose columns it has: a kind of rows, or "marks".
            rows: Values in the columns' order, no key twice.
        """

    def comparable(self, kind: Type, value: Any) -> Any:
        """A value that was to be kept, in the form in which those that are there are compared."""
        return math.floor(value.timestamp()) if kind is Type.TIMESTAMP and value is not None else value

    def begin(self) -> None:
        """Begin a transaction."""
        self.execute("BEGIN")

    def commit(self) -> None:
        """Make the transaction durable."""
        self.execute("COMMIT")

    def renamed(self, kind: str) -> None:  # noqa: B027
        """Called when a table was renamed to a kind's name."""

    def index(self) -> None:  # noqa: B027
        """Called in the last transaction of an export, when all rows are in their place."""

    def forget(self) -> None:  # noqa: B027
        """Called when nothing of an export is left: what was made to hold it can go."""

    @abc.abstractmethod
    def explain(self, error: Exception) -> ExportError:
        """Say what one of its exceptions means, and what to do."""

    @abc.abstractmethod
    def close(self) -> None:
        """Roll back, disconnect and unlock. May be called twice, and without a connection."""
