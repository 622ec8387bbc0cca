"""Thousands of calls against servers in trouble, in virtual time: the real client, and no wall clock."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from virtual import FixedWindow, SlidingWindow, TokenBucket, VirtualServer, call_often, run_virtual

from asyncchat import APIConnectionError, Response, RetryPolicy

pytestmark = pytest.mark.heavy

PATIENT = RetryPolicy(attempts=6, max_backoff=60.0, max_retry_after=900.0, patience=600.0)
LEARNED = 30.0
"""Seconds after which a limit has been learned."""


@pytest.fixture(autouse=True)
def _same_dice() -> None:
    """Every run draws the same waits."""
    random.seed(3)


def play(server: VirtualServer, calls: int, workers: int, **options: Any) -> Counter[str]:
    async def main() -> Counter[str]:
        async with server.client(**options) as client:
            return await call_often(client, calls, workers)

    return run_virtual(main())


def down(since: float, until: float, answer: Response | Exception) -> Callable[[float], Any]:
    return lambda now: answer if since <= now < until else None


@pytest.mark.parametrize(
    "answer",
    [
        Response(status=503),
        Response(status=500),
        Response(status=503, headers={"Retry-After": "0"}),
        Response(status=429, headers={"Retry-After": "1"}),
        APIConnectionError("lost", sent=True),
    ],
)
@pytest.mark.parametrize("workers", [1, 64])
def test_a_full_outage_is_not_met_with_a_multiple_of_the_load(answer: Response | Exception, workers: int) -> None:
    """While nothing succeeds, 2,000 calls send at most 1.1 requests each."""
    server = VirtualServer(down(0.0, float("inf"), answer))
    ends = play(server, 2_000, workers)
    assert ends["ok"] == 0
    assert len(server.arrivals) / 2_000 <= 1.1


@pytest.mark.parametrize("seconds", [60.0, 300.0, 590.0])
def test_an_outage_is_waited_out(seconds: float) -> None:
    """With patience, every call outlives an outage; one request a minute looks whether it is over."""
    server = VirtualServer(down(5.0, 5.0 + seconds, Response(status=503)))
    ends = play(server, 2_000, 16, retry=PATIENT, deadline=None)
    assert ends == {"ok": 2_000}
    assert len([at for at in server.arrivals if 20.0 < at < 5.0 + seconds]) <= 5 + seconds / 60
    assert min(at for at in server.arrivals if at >= 5.0 + seconds) <= 5.0 + seconds + 60.0


def test_patience_has_an_end() -> None:
    """An outage that is longer than the patience fails the calls that wait, and the server saw few of them."""
    server = VirtualServer(down(0.0, float("inf"), Response(status=503)))
    ends = play(server, 16, 16, retry=PATIENT, deadline=None)
    assert ends == {"ServerError": 16}
    assert len(server.arrivals) < 100


@pytest.mark.parametrize("workers", [1, 16, 64, 2_000])
def test_a_brown_out_is_survived(workers: int) -> None:
    """Where 30 % of all answers are 503, 2,000 calls succeed, as they are, with less than 1.5 requests each."""
    dice = random.Random(5)  # noqa: S311 - repeatable
    server = VirtualServer(lambda _: Response(status=503) if dice.random() < 0.3 else None)
    assert play(server, 2_000, workers) == {"ok": 2_000}
    assert len(server.arrivals) / 2_000 < 1.5


def test_a_bound_on_attempts_that_is_strict() -> None:
    """In the same brown-out, calls that may never take a fifth request fail one time in a hundred."""
    dice = random.Random(5)  # noqa: S311 - repeatable
    server = VirtualServer(lambda _: Response(status=503) if dice.random() < 0.3 else None)
    ends = play(server, 2_000, 16, retry=RetryPolicy(throttled_attempts=4))
    assert 5 <= ends["ServerError"] <= 40


def test_an_outage_after_a_brown_out_costs_little() -> None:
    """A server that turns away some and then all gets at most ten requests beyond four a call, and 1.1 a call."""
    dice = random.Random(5)  # noqa: S311 - repeatable
    server = VirtualServer(lambda now: Response(status=503) if now > 60.0 or dice.random() < 0.3 else None)
    ends = play(server, 4_000, 64)
    assert 100 < ends["ok"] < 3_000
    assert server.counts(since=60.0)["503"] / ends["ServerError"] <= 1.1


@pytest.mark.parametrize("latency", [0.005, 0.05, 0.2])
@pytest.mark.parametrize("workers", [8, 64])
@pytest.mark.parametrize(
    "limit",
    [TokenBucket(20, 5), TokenBucket(20, 20), TokenBucket(20, 200), FixedWindow(20), SlidingWindow(20)],
    ids=["bucket-5", "bucket-20", "bucket-200", "fixed-window", "sliding-window"],
)
def test_a_hard_limit_is_learned(limit: Any, workers: int, latency: float) -> None:
    """A limit of 20 a second without any header: at least 90 % of it is used, and under 3 % are answered 429."""
    server = VirtualServer(type(limit)(*limit_arguments(limit)), latency=latency)
    assert play(server, 2_400, workers) == {"ok": 2_400}
    end = server.arrivals[-1]
    learned = server.counts(since=LEARNED, until=end)
    assert learned["ok"] / (end - LEARNED) >= 0.9 * 20
    assert server.counts()["429"] / len(server.arrivals) < 0.03


def limit_arguments(limit: Any) -> tuple[float, ...]:
    return (limit.rate, limit.burst) if isinstance(limit, TokenBucket) else (limit.most,)


def test_a_limit_that_is_lifted_is_left_behind() -> None:
    """A client that was held to 20 a second reaches 200 within a minute after the limit is gone."""
    bucket = TokenBucket(20, 20)
    server = VirtualServer(lambda now: bucket(now) if now < 60.0 else None)
    play(server, 30_000, 64)
    assert server.counts(119.0, 120.0)["ok"] >= 200


@pytest.mark.parametrize("status", [429, 503])
def test_nothing_is_sent_before_a_retry_after_has_passed(status: int) -> None:
    """With 64 callers at once, the server sees no request between the answer that asks for 30 seconds and then."""
    told = Response(status=status, headers={"Retry-After": "30"})
    server = VirtualServer(lambda now: told if 1.0 <= now < 1.05 else None)
    assert play(server, 4_000, 64, retry=RetryPolicy(attempts=4, backoff=0.1)) == {"ok": 4_000}
    last = max(at for at, outcome in server.outcomes if outcome == str(status))
    heard = min(at for at, outcome in server.outcomes if outcome == str(status)) + server.latency
    assert heard < last + server.latency
    assert server.counts(heard, last + 30.0) == {}


def test_a_slow_server_gets_fewer_at_once() -> None:
    """A thousand calls bring a server that stays fast to 32 at once, and one that each more makes slower not to 24."""
    fast = VirtualServer(lambda _: None)
    crowded = VirtualServer(lambda _: setattr(crowded, "latency", 0.02 * max(1, crowded.in_flight - 8)))
    for server in (fast, crowded):
        assert play(server, 1_000, 64) == {"ok": 1_000}
    assert fast.peak == 32
    assert crowded.peak < 24


def test_a_limit_on_requests_at_once_is_found() -> None:
    """A server that turns away the fifth request at once is asked for about four at once, with few refusals."""
    server = VirtualServer(lambda _: Response(status=503) if server.in_flight > 4 else None)
    assert play(server, 3_000, 32, retry=RetryPolicy(attempts=10)) == {"ok": 3_000}
    assert server.counts(since=10.0)["503"] / len(server.arrivals) < 0.1


def test_calls_that_are_given_up_keep_no_place() -> None:
    """At two requests a second, 400 calls whose deadline passes leave the next call nothing to wait for."""
    server = VirtualServer(lambda _: None)

    async def main() -> float:
        async with server.client(max_rate=2) as client:
            assert (await call_often(client.with_options(deadline=0.5), 400, 400))["APITimeoutError"] > 390
            begun = server.clock.monotonic()
            await client.models.get(1)
            return server.clock.monotonic() - begun

    assert run_virtual(main()) < 1.0


def test_patience_survives_a_brown_out() -> None:
    """Where half of all answers are 500, 99 of 100 calls with patience succeed: the server is not taken for away."""
    dice = random.Random(5)  # noqa: S311 - repeatable
    server = VirtualServer(lambda _: Response(status=500) if dice.random() < 0.5 else None)
    patient = RetryPolicy(attempts=12, max_backoff=10.0, patience=300.0)
    assert play(server, 500, 32, retry=patient, deadline=None)["ok"] >= 495
    assert server.arrivals[-1] < 600


def test_two_runs_are_alike() -> None:
    """The same dice give the same requests at the same times."""

    def once() -> list[tuple[float, str]]:
        random.seed(9)
        server = VirtualServer(TokenBucket(20, 20))
        play(server, 500, 16)
        return server.outcomes

    assert once() == once()
