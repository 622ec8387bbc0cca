"""Exports that prove they are complete.

An export reads closed windows of time, and accepts what it read of one only with a certificate: a reason why nothing
can be missing. What cannot be certified is named in the report.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from asyncchat import AsyncClient, ConfigurationError, ExportError, Request, Response, to_instant
from asyncchat.export.destinations.files import Folder, find_damage, read_report
from asyncchat.export.engine import Engine, kinds_of
from asyncchat.export.probe import probe_server
from asyncchat.export.probing.traits import Bound, Finding, Order, PastEnd, Probe
from asyncchat.export.progress import Tally
from asyncchat.export.report import ExportReport, Observer, Part, Progress, Query
from asyncchat.export.windows import Certificate, Span

__all__ = [
    "FORMATS",
    "LAG",
    "Bound",
    "Certificate",
    "ExportReport",
    "Finding",
    "Order",
    "Part",
    "PastEnd",
    "Probe",
    "Progress",
    "Query",
    "export",
    "probe_server",
]

FORMATS: Final = ("jsonl",)
"""What part files can be."""

LAG: Final = 2
"""Seconds that an export keeps behind the server's clock, for rows that become visible late."""


async def export(
    client: AsyncClient,
    destination: str | os.PathLike[str],
    *,
    format: str = "jsonl",  # noqa: A002 - the field's name for it
    since: datetime | date | str | None = None,
    until: datetime | date | str | None = None,
    models: Iterable[int] = (),
    messages: bool = True,
    source: str | None = None,
    observer: Observer | None = None,
) -> ExportReport:
    """Export models, conversations and messages into a folder, and prove that nothing is missing.

    The folder gets `models/`, `conversations/` and `messages/` with part files, and `manifest.json`, which is written
    last: a folder without it is no finished export. Run on a folder that holds this very export already, it changes
    nothing.

    Args:
        client: Where to read from.
        destination: The folder; it is made if it is not there.
        format: "jsonl": each row is a line, as the server sent it; messages have `conversation_id` put before.
        since: Only conversations created at or after it: an aware datetime, a date (midnight UTC) or a text.
        until: Only conversations created at or before it; None: all up to the last closed second of the server's clock,
            which a later `until` is cut to as well.
        models: Ids of models: only these, and their conversations. Empty: all.
        messages: Whether messages are exported.
        source: What the manifest calls the server; None: the client's base URL.
        observer: Is called with each `Progress`.

    Raises:
        ConfigurationError: An argument is wrong, or the destination cannot take this export.
        ExportError: The destination failed, another export writes to it, or the server ignores the filters.
        AsyncChatError: The server refused, or stopped answering. Nothing is left in the destination.
    """
    if format not in FORMATS:
        raise ConfigurationError(f"format takes {' or '.join(FORMATS)}, not {format!r:.40}")
    client.conversations.list(since=since, until=until)  # refuses a wrong range; sends nothing
    query = Query(
        source=source or client.base_url or "a transport",
        format=format,
        since=_stamp(since, "since"),
        until=_stamp(until, "until"),
        model_ids=tuple(sorted(set(models))),
        messages=messages,
    )
    if not os.fspath(destination):
        raise ConfigurationError("the destination is empty: give a folder, which is made if it is not there")
    root = Path(destination)
    done = read_report(root)
    if done is not None:
        return _same(root, done, query)
    tally = Tally(observer)
    watched = client.with_options(hooks=[tally.on_event])
    try:
        with Folder.opened(root, kinds_of(query)) as folder:
            span, as_of = await _closed_span(watched, query)
            return await Engine(watched, folder, query, span=span, as_of=as_of, tally=tally).run()
    except BrokenPipeError:  # the observer's: nothing here writes to a pipe
        raise
    except OSError as exc:
        raise ExportError(
            f"{root} cannot be written ({exc.strerror or exc}): nothing was kept. Make room, or give another folder"
        ) from None


def _stamp(value: datetime | date | str | None, name: str) -> str | None:
    return None if value is None else to_instant(value, name).astimezone(UTC).isoformat(timespec="seconds")


def _same(root: Path, done: ExportReport, query: Query) -> ExportReport:
    if done.query == query:
        damaged = find_damage(root, done)
        if damaged is not None:
            raise ExportError(f"{damaged} is not as the export left it: remove {root} and export again")
        return done
    raise ConfigurationError(
        f"{done.destination} holds another export already (of {done.query.source}): give another folder, or remove it"
    )


def _second(stamp: str | None) -> int | None:
    return None if stamp is None else math.floor(datetime.fromisoformat(stamp).timestamp())


def _any_json(response: Response) -> Response:
    response.json()
    return response


async def _closed_span(client: AsyncClient, query: Query) -> tuple[Span, int]:
    """What to export, and as of which second: the last closed one of the server's clock, less a lag.

    One second more is read than is claimed: where rows have hidden fractions of a second, `until` cuts off those of its
    own second. Asked with one retry only: a wrong address or token is told at once.
    """
    probe = Request("GET", "/models", params={"page": 1, "per_page": 1})
    response = await client.with_options(retry=1).call(probe, _any_json)
    now = time.time() if response.date is None else response.date
    last = math.floor(now) - 1 - LAG
    since, until = _second(query.since), _second(query.until)
    as_of = last if until is None else min(until, last)
    if since is not None and since > as_of:
        raise ConfigurationError("since lies in the future of the server's clock: there is nothing to export")
    return Span(since, as_of if as_of == until else as_of + 1), as_of
