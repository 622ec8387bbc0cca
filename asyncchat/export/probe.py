"""Finds out how a server counts, filters and ends its listings, with at most six requests.

`next_step` says what to ask next from what is known, `conclude` what follows from the answers; both are pure.
A window of one second m, and the rows up to m and from m, must overlap in just that window, so their counts tell a lot:

```
first    page 1                     size of pages, known rows, their number
second   since = until = m          do both ends hold the rows of their own second?
up to    until = m                  do rows from outside come?
from     since = m                  up to + from - second = all?
end      the page past the end      what comes there, and is the number still the same?
edge     since = m, until = m + 1   only if rows of m were missing: which end cuts them off?
again    page 1                     only if the counts did not add up, and the end told no number
```

What the answers do not prove is "cannot tell", never a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from asyncchat import AsyncChatError, AsyncClient, ConfigurationError, NotFoundError
from asyncchat.export.probing.plan import Answer, Known, Question, Step, next_step
from asyncchat.export.probing.traits import Probe
from asyncchat.export.probing.verdicts import conclude


async def probe_server(client: AsyncClient) -> Probe:
    """Find out how a server counts, filters and ends its listings: 2 to 6 requests, each sent once.

    A request that fails is one of the `doubts`, and what it would have told stays unknown. An account with too few rows
    tells little. A server that asks to wait for more than ten seconds ends the probe.

    Args:
        client: Where to ask; its `per_page` is the page size that is looked at.

    Raises:
        ConfigurationError: The client is closed.
    """
    return await probe_unless(client, lambda _: False)


async def probe_unless(client: AsyncClient, is_fatal: Callable[[AsyncChatError], bool]) -> Probe:
    """The same, but for failures that end more than the probe.

    Raises:
        AsyncChatError: A failure that is fatal.
    """
    known = Known(())
    view = client.with_options(retry=0)
    while (step := next_step(known, client.per_page)) is not None:
        known = Known((*known.answers, await _ask(view, step, is_fatal)))
    return conclude(known, client.per_page)


async def _ask(client: AsyncClient, step: Step, is_fatal: Callable[[AsyncChatError], bool]) -> Answer:
    since, until = (None if at is None else datetime.fromtimestamp(at, UTC) for at in (step.since, step.until))
    try:
        pager = client.conversations.list(since=since, until=until, per_page=step.per_page).raw()
        return Answer(step, await pager.page(step.page))
    except ConfigurationError:
        raise
    except NotFoundError as exc:
        is_end = step.question is Question.END
        return Answer(step, is_missing=is_end, failure="" if is_end else str(exc))
    except AsyncChatError as exc:
        if is_fatal(exc):
            raise
        return Answer(step, failure=str(exc), pause=getattr(exc, "retry_after", None) or 0.0)
