"""A PostgreSQL database as a destination.

The tables are made in the schema that the connection begins with. JSON is kept as `json`, which leaves every escape as
it was sent; a text with U+0000, which PostgreSQL does not hold, is found in `extra`, escaped.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from asyncchat import ConfigurationError, ExportBusyError, ExportError
from asyncchat.export.destinations.columns import Type
from asyncchat.export.destinations.database import Database
from asyncchat.export.destinations.store import Store, Values
from asyncchat.export.destinations.tables import ALL_COLUMNS, Dialect, upsert

if TYPE_CHECKING:
    import psycopg

_LOCK_CLASS: Final = 0x61737963  # "asyc": the other half of the lock's key is the schema's own number
_LOCK_WAIT: Final = "5s"
"""How long a killed exporter's session may take to end."""
_TABLE_WAIT: Final = "60s"
"""How long sessions that use the old tables may keep them from being replaced."""

_CONNECT_SECONDS: Final = 15
_KEEPALIVE_SECONDS: Final = 60
"""An export that a server has told to wait says nothing to the database meanwhile."""

_SESSION: Final = """
    SELECT set_config('search_path', quote_ident(current_schema()), false),
        set_config('timezone', 'UTC', false), set_config('client_encoding', 'UTF8', false),
        set_config('statement_timeout', '0', false),
        set_config('idle_in_transaction_session_timeout', '0', false)
"""

_ADVICE: Final = {
    "08": "the connection was lost: when the server is back, run the same command again: it goes on",
    "28": "the server refuses the user: correct the URL, and run the same command again: it goes on",
    "42501": "the user may not do this: GRANT it, and run the same command again: it goes on",
    "2BP01": "other objects depend on the old tables: drop those, and run the same command again: it goes on",
    "53100": "the server's disk is full: make room, and run the same command again: it goes on",
    "55P03": "another session uses the tables: end that, and run the same command again: it goes on",
    "57": "the server ended the session: when it is back, run the same command again: it goes on",
}


class PostgreSQLDestination(Database):
    """A `Destination` in a PostgreSQL database.

    Args:
        url: As libpq takes it: `postgresql://user:password@host:port/database`. What it does not say is taken from the
            environment and `~/.pgpass`, as by every client of PostgreSQL.

    Raises:
        ConfigurationError: The URL is none, or psycopg is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            super().__init__(_PostgreSQL(_Address(url)))
        except ConfigurationError as exc:
            wrong = str(exc)
        else:
            return
        del url  # it holds a password, and a traceback shows the locals of its frames
        raise ConfigurationError(wrong)


class _Address:
    """Where to connect to. What it shows of itself has no password, nor anything that might be one."""

    def __init__(self, url: str) -> None:
        self._url = url.strip()
        authority, rest = _split(self._url)
        if authority.count("@") > 1 or ("@" in rest and "@" not in authority):
            raise ConfigurationError(
                "the PostgreSQL URL cannot be read: in a user's name and password write @ as %40, / as %2F, : as %3A, "
                "? as %3F, # as %23 and % as %25"
            )
        self.shown = f"postgresql://{authority.rpartition('@')[2]}{re.split('[?#]', rest)[0]}"

    def __repr__(self) -> str:
        return self.shown

    def reveal(self) -> str:
        """The URL itself."""
        return self._url


def _split(url: str) -> tuple[str, str]:
    match = re.match(r"[^:/]*://([^/?#]*)(.*)", url, re.DOTALL)
    return (match[1], match[2]) if match else ("", "")


class _PostgreSQL(Store):
    dialect: ClassVar = Dialect(
        types={
            Type.INTEGER: "bigint",
            Type.TEXT: "text",
            Type.TIMESTAMP: "timestamptz",
            Type.JSON: "json",
        },
        parameter="%s",
        json="json",
        second="CAST(floor(extract(epoch FROM {})) AS bigint)",
    )
    keeps_nul: ClassVar = False

    def __init__(self, address: _Address) -> None:
        self._address = address
        self._connection: psycopg.Connection[Any] | None = None

    @property
    def name(self) -> str:
        return self._address.shown

    @property
    def _open(self) -> psycopg.Connection[Any]:
        assert self._connection is not None
        return self._connection

    # ---- opening and closing

    def connect(self) -> None:
        try:
            import psycopg  # noqa: PLC0415 - an extra
        except ImportError:
            psycopg = None  # type: ignore[assignment]
        if psycopg is None:
            raise ConfigurationError("PostgreSQL needs psycopg: pip install 'asyncchat[postgres]'")
        self.errors = (psycopg.Error,)
        self._connection = _connected(self._address)
        ((schema, encoding),) = self.execute("SELECT current_schema(), getdatabaseencoding()")
        if encoding != "UTF8":
            raise ConfigurationError(f"{self.name} holds {encoding}, not all of Unicode: give a database in UTF8")
        if schema is None:
            raise ConfigurationError(f"{self.name} has no schema to make tables in: create one, or set search_path")
        self.execute(_SESSION)
        self._lock()

    def _lock(self) -> None:
        import psycopg  # noqa: PLC0415 - an extra

        self.execute(f"SET lock_timeout = '{_LOCK_WAIT}'")
        try:
            self.execute(f"SELECT pg_advisory_lock({_LOCK_CLASS}, hashtext(current_schema()))")
        except psycopg.errors.LockNotAvailable:
            holder = self._holder()
        else:
            self.execute(f"SET lock_timeout = '{_TABLE_WAIT}'")
            return
        raise ExportBusyError(
            f"another export{holder} is writing to {self.name}: wait for it, or give another database"
        )

    def _holder(self) -> str:
        pids = self.execute(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s "
            "AND objid::bigint = hashtext(current_schema())::bigint & 4294967295 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            (_LOCK_CLASS,),
        )
        return f" (the server's session {pids[0][0]})" if pids else ""

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(*self.errors):
                self._connection.close()
            self._connection = None

    # ---- statements

    def names(self, wanted: Sequence[str]) -> set[str]:
        rows = self.execute(
            "SELECT relname FROM pg_class WHERE relname = ANY(%s) "
            "AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())",
            (list(wanted),),
        )
        return {name for (name,) in rows}

    def columns(self, table: str) -> tuple[str, ...]:
        rows = self.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
            "ORDER BY attnum",
            (table,),
        )
        return tuple(name for (name,) in rows)

    def execute(self, sql: str, values: Values = ()) -> list[Values]:
        cursor = self._open.execute(sql.encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def load(self, table: str, kind: str, rows: Sequence[Values]) -> None:
        names = ", ".join(column.name for column in ALL_COLUMNS[kind])
        staging = f"asyncchat_rows_{kind}"
        self.execute(f"CREATE TEMPORARY TABLE IF NOT EXISTS {staging} (LIKE {table}) ON COMMIT DROP")
        with self._open.cursor() as cursor:
            with cursor.copy(f"COPY {staging} ({names}) FROM STDIN".encode()) as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(upsert(table, kind, f"SELECT {names} FROM {staging}").encode())  # noqa: S608 - our own names
            cursor.execute(f"TRUNCATE {staging}".encode())

    def renamed(self, kind: str) -> None:
        """Let the primary key go by the name that it had got in a table of that name."""
        rows = self.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'", (kind,)
        )
        for (name,) in rows:
            self.execute(f'ALTER TABLE {kind} RENAME CONSTRAINT "{name}" TO {kind}_pkey')

    def explain(self, error: Exception) -> ExportError:
        state = getattr(error, "sqlstate", None) or ("08" if self._open.closed or self._open.broken else "")
        fitting = [advice for start, advice in _ADVICE.items() if state.startswith(start)]
        advice = (*fitting, "run the same command again: it goes on")[0]
        return ExportError(f"{self.name} failed ({_one_line(error)}); what was committed stays: {advice}")


def _connected(address: _Address) -> psycopg.Connection[Any]:
    """Connect; what goes wrong leaves no frame behind that knows the password."""
    import psycopg  # noqa: PLC0415 - an extra

    try:
        return psycopg.connect(**_parameters(address), autocommit=True)
    except psycopg.ProgrammingError:
        reason = "the URL cannot be read"
    except psycopg.Error as exc:
        reason = _one_line(exc)
    if "FATAL:" in reason or reason == "the URL cannot be read":
        raise ConfigurationError(f"{address!r} cannot be opened ({reason}): correct the URL")
    raise ExportError(f"{address!r} cannot be reached ({reason}): start the server, or correct the URL")


def _parameters(address: _Address) -> Mapping[str, Any]:
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - an extra

    defaults = {
        "connect_timeout": _CONNECT_SECONDS,
        "keepalives_idle": _KEEPALIVE_SECONDS,
        "application_name": "asyncchat",
    }
    return {**defaults, **conninfo_to_dict(address.reveal())}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split("\nDETAIL:")[0].split())
