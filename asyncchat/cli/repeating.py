"""Runs that end where a server is away, and ones that are repeated until they are stopped."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

import click

from asyncchat.cli.ending import EndedError, ended_early
from asyncchat.cli.render import safe
from asyncchat.cli.render_sync import moment
from asyncchat.cli.running import run_async
from asyncchat.cli.wording import wording
from asyncchat.errors import APIConnectionError, AsyncChatError, RateLimitError, ServerError

T = TypeVar("T")

AWAY: Final[tuple[type[AsyncChatError], ...]] = (APIConnectionError, RateLimitError, ServerError)
"""What a server that is away fails with."""

_TEMPORARY: Final = 75  # EX_TEMPFAIL of sysexits.h: later it may go well
_LONGEST: Final = 3_600.0
"""Seconds between two tries of a server that is away, unless rounds are further apart anyway."""
_JITTER: Final = 0.1


def run_to_end(main: Coroutine[Any, Any, T]) -> T:
    """Run something that goes on where it ended when it is run again.

    Raises:
        EndedError: A signal ended it, or the server was away.
        AsyncChatError: It failed otherwise.
    """
    try:
        with ended_early("what was committed is kept, the same command goes on"):
            return run_async(main)
    except AWAY as exc:
        raise EndedError(wording(exc), _TEMPORARY) from None


async def keep_on(
    run: Callable[[], Awaitable[T]],
    *,
    every: float,
    show: Callable[[T], None],
    passing: tuple[type[AsyncChatError], ...] = AWAY,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Make rounds until cancelled. A server that is away is tried again later and later.

    Args:
        run: Makes one.
        every: Seconds from the end of one to the beginning of the next.
        show: Is given each report.
        passing: Failures that waiting may mend.
        sleep: Waits.

    Raises:
        AsyncChatError: A failure that waiting does not mend.
    """
    failures = 0
    while True:
        try:
            report = await run()
        except passing as exc:
            wait = _backoff(every, failures, getattr(exc, "retry_after", None))
            failures += 1
            click.echo(f"asyncchat: {moment()} {safe(wording(exc))}: again in {wait:.0f} s", err=True)
        else:
            wait, failures = every, 0
            show(report)
        await sleep(wait * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - spreads load, guards nothing


def _backoff(every: float, failures: int, asked: float | None) -> float:
    longest = max(every, _LONGEST)
    return max(min(longest, every * 2.0 ** min(failures, 30)), (asked or 0.0) / (1 - _JITTER))
