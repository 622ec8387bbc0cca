"""What an export begins with: its query from the arguments, and the server's clock."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final

from asyncchat import AsyncClient, ConfigurationError, Request, Response, to_instant
from asyncchat.export.ledger import Plan
from asyncchat.export.probe import probe_unless
from asyncchat.export.report import Query
from asyncchat.export.stopping import stops_all
from asyncchat.export.windows import Span

LAG: Final = 2.0
"""Seconds that an export keeps behind the server's clock, for rows that become visible late."""


def make_query(
    client: AsyncClient,
    *,
    format: str,  # noqa: A002 - the field's name for it
    since: datetime | date | str | None,
    until: datetime | date | str | None,
    models: Iterable[int],
    messages: bool,
    source: str | None,
) -> Query:
    """What is asked, as a value.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    client.conversations.list(since=since, until=until)  # refuses a wrong range; sends nothing
    return Query(
        source=source or client.base_url or "a transport",
        format=format,
        since=_stamp(since, "since"),
        until=_stamp(until, "until"),
        model_ids=tuple(sorted(set(models))),
        messages=messages,
    )


def check_seconds(value: float, name: str) -> float:
    """A number of seconds from 0.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ConfigurationError(f"{name} takes seconds from 0, not {value!r:.40}")
    return float(value)


def _stamp(value: datetime | date | str | None, name: str) -> str | None:
    return None if value is None else to_instant(value, name).astimezone(UTC).isoformat(timespec="seconds")


def make_second(stamp: str | None) -> int | None:
    """A time of a query in seconds since the epoch."""
    return None if stamp is None else math.floor(datetime.fromisoformat(stamp).timestamp())


def _any_json(response: Response) -> Response:
    response.json()
    return response


async def read_clock(client: AsyncClient) -> float:
    """The server's clock, or where it does not tell that, this machine's, in seconds since the epoch.

    Raises:
        AsyncChatError: The server did not answer.
    """
    request = Request("GET", "/models", params={"page": 1, "per_page": 1})
    response = await client.call(request, _any_json)
    return time.time() if response.date is None else response.date


async def draw_plan(client: AsyncClient, query: Query, *, lag: float) -> Plan:
    """What to export, as of which second, and what the server is like; how much it is, is not known yet.

    The last second is the last closed one of the server's clock, less the lag. One second more is read than is claimed:
    where rows have hidden fractions of a second, `until` cuts off those of its own second. The clock is asked for with
    one retry only: a wrong address or token is told at once.

    Raises:
        ConfigurationError: `since` lies in the future.
        AsyncChatError: The server did not answer.
    """
    last = math.floor(await read_clock(client.with_options(retry=1)) - lag) - 1
    since, until = make_second(query.since), make_second(query.until)
    as_of = last if until is None else min(until, last)
    if since is not None and since > as_of:
        raise ConfigurationError("since lies in the future of the server's clock: there is nothing to export")
    span = Span(since, as_of if as_of == until else as_of + 1)
    return Plan(as_of=as_of, span=span, oldest=0, conversations=0, probe=await probe_unless(client, stops_all))
