"""The sender: delivers notices as the platform does, with retries, and reports what became of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec
from attrs import define, field, frozen

from asyncchat.sandbox.hooks.notices import notices
from asyncchat.sandbox.hooks.post import post

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from asyncchat.sandbox.data.store import Store
    from asyncchat.sandbox.hooks.notices import Campaign, Notice

_GOOD: Final = range(200, 300)
_MOST_DOUBLINGS: Final = 60
_DIFFERENT: Final = 1_000  # conversations that are notified of, in turn


@frozen(kw_only=True)
class WebhookReport:
    """What became of a campaign.

    Attributes:
        sent: Notifications, with their duplicates; bad bodies are not among them.
        duplicates: How many of these were duplicates.
        bad: Bodies that were no notification.
        requests: Attempts, all together.
        retries: Attempts after the first one.
        by_answer: Attempts by status, or by "timeout" or "no answer".
        bad_by_answer: The same for the bad bodies, which are tried once.
        acknowledged: Ids of conversations whose notification was answered with a 2xx, once for each that was.
        given_up: Ids of those that never were.
        p50: Seconds until an answer: half of the attempts took no longer.
        p99: The same for 99 of 100.
        slowest: The same for all.
    """

    sent: int
    duplicates: int
    bad: int
    requests: int
    retries: int
    by_answer: dict[str, int]
    bad_by_answer: dict[str, int]
    acknowledged: list[int]
    given_up: list[int]
    p50: float
    p99: float
    slowest: float


@define
class _Tally:
    """What has happened so far."""

    sent: int = 0
    duplicates: int = 0
    bad: int = 0
    retries: int = 0
    answers: Counter[str] = field(factory=Counter)
    bad_answers: Counter[str] = field(factory=Counter)
    acknowledged: list[int] = field(factory=list)
    given_up: list[int] = field(factory=list)
    seconds: list[float] = field(factory=list)

    def report(self) -> WebhookReport:
        seconds = sorted(self.seconds)
        return WebhookReport(
            sent=self.sent,
            duplicates=self.duplicates,
            bad=self.bad,
            requests=self.answers.total() + self.bad_answers.total(),
            retries=self.retries,
            by_answer=dict(sorted(self.answers.items())),
            bad_by_answer=dict(sorted(self.bad_answers.items())),
            acknowledged=self.acknowledged,
            given_up=self.given_up,
            p50=quantile(seconds, 0.5),
            p99=quantile(seconds, 0.99),
            slowest=quantile(seconds, 1.0),
        )


def quantile(ascending: Sequence[float], share: float) -> float:
    """The smallest of some numbers that at least this share of them does not exceed; 0.0 if there are none."""
    if not ascending:
        return 0.0
    return ascending[max(0, -(-len(ascending) * round(share * 100) // 100) - 1)]


def pauses(campaign: Campaign) -> Iterator[float]:
    """Seconds before each attempt at one notice."""
    yield 0.0
    for number in range(campaign.attempts - 1):
        yield campaign.backoff * 2.0 ** min(number, _MOST_DOUBLINGS)


async def send_from(store: Store, campaign: Campaign, seed: int) -> WebhookReport:
    """Deliver notifications of the conversations in a store."""
    rows = store.batch("conversations", None, min(campaign.count, _DIFFERENT))
    return await send(notices([msgspec.json.decode(line) for _, line in rows], campaign, seed), campaign)


async def send(todo: Iterable[Notice], campaign: Campaign) -> WebhookReport:
    """Deliver notices, each begun at its time and in its order, as many at once as allowed.

    Args:
        todo: What to send.
        campaign: Where to, how fast, how often.
    """
    tally = _Tally()
    clock = asyncio.get_running_loop().time
    begun = clock()
    waiting = enumerate(todo)

    async def work() -> None:
        for number, notice in waiting:
            if campaign.rate is not None:
                await asyncio.sleep(begun + number / campaign.rate - clock())
            await _deliver(notice, campaign, tally)

    async with asyncio.TaskGroup() as group:
        for _ in range(campaign.concurrency):
            group.create_task(work())
    return tally.report()


async def _deliver(notice: Notice, campaign: Campaign, tally: _Tally) -> None:
    if notice.row_id is None:
        tally.bad += 1
        tally.bad_answers[await _attempt(notice, campaign, tally)] += 1
        return
    tally.sent += 1
    tally.duplicates += notice.duplicate
    for number, pause in enumerate(pauses(campaign)):
        await asyncio.sleep(pause)
        tally.retries += number > 0
        answer = await _attempt(notice, campaign, tally)
        tally.answers[answer] += 1
        if answer.isdigit() and int(answer) in _GOOD:
            tally.acknowledged.append(notice.row_id)
            return
    tally.given_up.append(notice.row_id)


async def _attempt(notice: Notice, campaign: Campaign, tally: _Tally) -> str:
    clock = asyncio.get_running_loop().time
    begun = clock()
    headers = {"Content-Type": notice.content_type} | campaign.headers
    try:
        async with asyncio.timeout(campaign.timeout):
            status = await post(campaign.url, headers, notice.body)
    except TimeoutError:
        return "timeout"
    except (OSError, ValueError):
        return "no answer"
    tally.seconds.append(clock() - begun)
    return str(status)
