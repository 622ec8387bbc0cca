"""`asyncchat sync --from-webhooks`: the conversations that webhooks have told of, out of an inbox."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs
import click

from asyncchat.cli.options import Connection, opened
from asyncchat.cli.repeating import AWAY, keep_on
from asyncchat.cli.webhook.look import opened_inbox
from asyncchat.cli.wording import wording
from asyncchat.errors import AsyncChatError, ExportBusyError, WebhookError

if TYPE_CHECKING:
    from asyncchat import AsyncClient
    from asyncchat.export import RefreshReport
    from asyncchat.webhooks import Inbox, Stored

_BATCH: Final = 200
"""Events that are taken, and whose conversations are refreshed, together."""
_LEASE: Final = 1_800.0
"""Seconds, besides the patience, after which a batch may be somebody else's: who had it was killed.

Refreshing it takes seconds, but may have to wait for 15 minutes where the server asks for that (Retry-After), and as
long again for pages that fail. Who ends in any other way gives its events back at once.
"""

_UNCERTIFIED: Final = 3
_OF_ROUNDS: Final = ("prune", "since", "models", "no_messages", "lookback", "audit")
"""Flags of what only a round does."""
_PASSING: Final = (*AWAY, ExportBusyError, WebhookError)
"""What looks go on after: a round that is under way holds the database, and others may hold the inbox."""

Refresh: TypeAlias = "Callable[[Sequence[int]], Awaitable[RefreshReport]]"


@attrs.frozen(kw_only=True)
class Look:
    """What came of the events that were due.

    Attributes:
        events: How many there were.
        uncertified: Why events were given back, to be taken again later: a reason for each.
        reports: What the refreshes have brought.
    """

    events: int = 0
    uncertified: tuple[str, ...] = ()
    reports: tuple[RefreshReport, ...] = ()

    def __add__(self, other: Look) -> Look:
        return Look(
            events=self.events + other.events,
            uncertified=(*self.uncertified, *other.uncertified),
            reports=(*self.reports, *other.reports),
        )

    @property
    def certified(self) -> bool:
        """Whether no event is left over."""
        return not self.uncertified

    def sum_of(self, name: str) -> int:
        """A figure of all refreshes together."""
        return sum(getattr(report, name) for report in self.reports)

    @property
    def gone(self) -> tuple[int, ...]:
        """Conversations that the server has not, or no more."""
        return tuple(sorted({each for report in self.reports for each in report.gone}))

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        names = ("new", "changed", "unchanged", "messages", "requests", "retries")
        return {
            "events": self.events,
            "given_back": len(self.uncertified),
            **{name: self.sum_of(name) for name in names},
            "gone": list(self.gone),
            "uncertified": list(dict.fromkeys(self.uncertified)),
            "seconds": round(sum(report.seconds for report in self.reports), 3),
            "certified": self.certified,
        }


def refuse_rounds(flags: dict[str, Any]) -> None:
    """Refuse flags of what only a round does.

    Raises:
        click.UsageError: One is there.
    """
    for name in _OF_ROUNDS:
        if flags[name] not in (None, ()) and flags[name] is not False:
            flag = "--model" if name == "models" else f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{flag} is for rounds, and --from-webhooks makes none")


async def work_off(
    connection: Connection, flags: dict[str, Any], path: str, every: float | None, show: Callable[[Look], None]
) -> int:
    """Bring what the events in an inbox tell of, once or until cancelled.

    Args:
        connection: How to reach the API.
        flags: Those of the command.
        path: The inbox.
        every: Seconds between two looks; None: there is one.
        show: Is given what came of each look that found something, and of the only one.

    Returns:
        The exit code.

    Raises:
        AsyncChatError: The server refused or is away, or the database or the inbox failed.
    """
    from asyncchat.export import PATIENCE  # noqa: PLC0415 - heavy, and not needed for --help

    patience = PATIENCE if flags["patience"] is None else flags["patience"]
    with opened_inbox(path) as inbox:
        async with opened(connection) as (client, source):
            looks = Looks(inbox, _refresher(client, flags, source), patience=patience)
            if every is not None:
                await keep_on(
                    looks.look, every=every, show=lambda look: show(look) if look.events else None, passing=_PASSING
                )
            look = await looks.look()
    show(look)
    return 0 if look.certified else _UNCERTIFIED


def _refresher(client: AsyncClient, flags: dict[str, Any], source: str | None) -> Refresh:
    from asyncchat.export import refresh  # noqa: PLC0415

    given = {name: flags[name] for name in ("lag", "patience") if flags[name] is not None}
    return lambda ids: refresh(client, flags["destination"], ids, source=source, **given)


class Looks:
    """Takes events from an inbox, refreshes their conversations, and says that they are done.

    Args:
        inbox: Where they are.
        refresh: Is given the ids of conversations.
        patience: Seconds for which it may wait for a server.
        now: Tells the time, in seconds since the epoch.
    """

    def __init__(
        self, inbox: Inbox, refresh: Refresh, *, patience: float, now: Callable[[], float] = time.time
    ) -> None:
        self._inbox = inbox
        self._refresh = refresh
        self._lease = patience + _LEASE
        self._now = now
        self._worker = uuid.uuid4().hex

    async def look(self) -> Look:
        """Work off what is due.

        Raises:
            AsyncChatError: A refresh failed as a whole. Its events are given back.
        """
        seen, now = Look(), self._now()
        due = await asyncio.to_thread(self._inbox.next_due, now)
        if due is None or due > now:
            return seen
        await self._refresh([])  # a database that cannot be used just now costs no event an attempt
        while taken := await asyncio.to_thread(self._take):
            seen += await self._work_off(taken)
        return seen

    def _take(self) -> list[Stored]:
        return self._inbox.take(self._worker, self._now(), most=_BATCH, lease=self._lease)

    async def _work_off(self, taken: Sequence[Stored]) -> Look:
        """Refresh what a batch is about, in one call; then its events are done, or come again."""
        about, errors = _read(taken)
        wanted = sorted(set(about.values()))
        try:
            reports = (await self._refresh(wanted),) if wanted else ()
        except BaseException as exc:
            reason = wording(exc) if isinstance(exc, AsyncChatError) else "the refresh was ended"
            with contextlib.suppress(WebhookError):  # then they come again when the lease has run out
                self._end(taken, errors | dict.fromkeys(about, reason))
            raise
        unproven = reports[0].unproven if reports else {}
        errors |= {event: unproven[each] for event, each in about.items() if each in unproven}
        await asyncio.to_thread(self._end, taken, errors)
        return Look(events=len(taken), uncertified=tuple(errors.values()), reports=reports)

    def _end(self, taken: Sequence[Stored], errors: dict[int, str]) -> None:
        """Say of each event that it is done, or what went wrong."""
        self._inbox.done_all([each.id for each in taken if each.id not in errors], self._worker, self._now())
        for event, error in errors.items():
            self._inbox.failed(event, self._worker, self._now(), error)


def _read(taken: Sequence[Stored]) -> tuple[dict[int, int], dict[int, str]]:
    """Which conversation each event is about, if it is about one, and which events cannot be read."""
    from asyncchat.webhooks import KeywordNotificationEvent, parse_event  # noqa: PLC0415

    about: dict[int, int] = {}
    errors: dict[int, str] = {}
    for each in taken:
        try:
            event = parse_event(each.body)
        except WebhookError as exc:
            errors[each.id] = str(exc)
            continue
        if isinstance(event, KeywordNotificationEvent) and event.payload.id < 0:
            errors[each.id] = f"there is no conversation {event.payload.id}: ids begin at 0"
        elif isinstance(event, KeywordNotificationEvent):
            about[each.id] = event.payload.id
    return about, errors
