"""Latency, bandwidth, compression and rate limit."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from email.utils import parsedate_to_datetime
from statistics import mean
from typing import TYPE_CHECKING, Any, get_args

import aiohttp
import pytest
from contract_shapes import settled
from hypothesis import given
from hypothesis import strategies as st
from sandbox_wire import connect, control, get

from asyncchat.sandbox import Fault, Sandbox
from asyncchat.sandbox.audit import Audit
from asyncchat.sandbox.behaviour import Behaviour, RetryAfter, Spread
from asyncchat.sandbox.mishaps.chance import Chance, fraction
from asyncchat.sandbox.serving.answers import Call, Pace
from asyncchat.sandbox.serving.bucket import Bucket, read_retry_after, write_retry_after
from asyncchat.sandbox.serving.encodings import accepts
from asyncchat.sandbox.serving.latency import latency, pace, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(conversations=40, seed=4) as running:
        yield running


@pytest.fixture
def box(shared: Sandbox) -> Iterator[Sandbox]:
    yield shared
    shared.behave(**{name: getattr(Behaviour(), name) for name in Behaviour.__annotations__})


SPREADS: tuple[Spread, ...] = get_args(Spread)
ACCEPTED = [("gzip", gzip.decompress), ("deflate", zlib.decompress)]


@pytest.mark.asyncio
@pytest.mark.parametrize("spread", SPREADS)
async def test_latency_comes_before_the_answer(box: Sandbox, spread: Spread) -> None:
    """A request waits under way, and one that is given up has no answer."""
    box.behave(latency=10**9, latency_spread=spread)
    raw = connect(box)
    await settled(box, "in_flight", 1)
    raw.close()
    await settled(box, "in_flight", 0)
    assert box.requests()[-1].status is None


@pytest.mark.parametrize("spread", SPREADS)
def test_the_mean_latency(spread: Spread) -> None:
    """However latencies are distributed, their mean is the one that was asked for."""
    drawn = [latency(2.0, spread, (number + 0.5) / 10_000) for number in range(10_000)]
    assert mean(drawn) == pytest.approx(2.0, rel=0.01)
    assert min(drawn) >= 0


def test_the_spread_of_latencies() -> None:
    """Uniform latencies end at twice the mean; exponential ones have a long tail."""
    assert [latency(2.0, spread, 0.999) for spread in ("fixed", "uniform", "exponential")] == pytest.approx(
        [2.0, 3.996, 13.8155], rel=1e-4
    )


def test_chance_is_the_requests_own() -> None:
    """What a request draws hangs on the seed, on it and on how often it was asked, not on others between."""
    here, there = (Call("GET", path, {}, ()) for path in ("/v1/models", "/v1/conversations"))
    one, other = Chance(1), Chance(1)
    first = [one.draw("latency", here) for _ in range(3)]
    second = [(other.draw("latency", here), other.draw("latency", there))[0] for _ in range(3)]
    assert first == second
    assert len({*first, Chance(2).draw("latency", here), Chance(1).draw("fault 0", here)}) == 5


@given(st.lists(st.one_of(st.integers(), st.text())))
def test_a_fraction_is_one(parts: list[Any]) -> None:
    """A fraction is from 0 up to 1 without it, whatever it is made from."""
    assert 0 <= fraction(*parts) < 1


@pytest.mark.asyncio
async def test_bandwidth_holds_back_the_body(box: Sandbox) -> None:
    """The headers come at once, and the body at its own pace."""
    box.behave(bandwidth=0.001)
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {box.token}"}) as session,
        session.get(f"{box.base_url}/models") as response,
    ):
        assert response.status == 200
        reading = asyncio.create_task(response.content.readany())
        assert (await asyncio.wait([reading], timeout=0.01))[0] == set()
        reading.cancel()


@pytest.mark.asyncio
async def test_bandwidth_leaves_the_connection_open(box: Sandbox) -> None:
    """A body that trickled is whole, and its connection serves the next request."""
    whole = (await get(box)).body
    box.behave(bandwidth=500_000)
    await control(box, "/stats/reset", "POST")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {box.token}"}) as session:
        for _ in range(2):
            async with session.get(f"{box.base_url}/conversations") as response:
                assert await response.read() == whole
        await settled(box, "in_flight", 0)
        assert (box.stats()["requests"], box.stats()["connections_accepted"]) == (2, 1)


@pytest.mark.parametrize("bandwidth", [0.5, 10, 1_000, 123_456.7])
def test_the_pace_is_the_bandwidth(bandwidth: float) -> None:
    """Pieces and pauses come to the bytes a second that were asked for."""
    given_pace = pace(bandwidth)
    assert given_pace is not None
    assert given_pace.step / given_pace.pause == pytest.approx(bandwidth)


def test_the_pieces_are_the_body() -> None:
    """A body is cut without loss; the last piece may be short."""
    assert list(pieces(b"abcdefg", Pace(3, 1.0))) == [b"abc", b"def", b"g"]


@pytest.mark.asyncio
@pytest.mark.parametrize(("encoding", "inflate"), ACCEPTED)
async def test_compression(box: Sandbox, encoding: Any, inflate: Any) -> None:
    """Who accepts it gets a smaller body that inflates to the same."""
    whole = await get(box)
    box.behave(compression=encoding)
    reply = await get(box, Accept_Encoding=f"br, {encoding};q=0.5")
    assert (reply.headers["Content-Encoding"], reply.headers["Vary"]) == (encoding, "Accept-Encoding")
    assert inflate(reply.body) == whole.body
    assert len(reply.body) < len(whole.body)


@pytest.mark.asyncio
@pytest.mark.parametrize("accepted", ["", "identity", "br", "gzip;q=0", "gzip; q=0.0, *", "deflate"])
async def test_nobody_gets_what_he_cannot_read(box: Sandbox, accepted: str) -> None:
    """Who does not accept the encoding gets the body as it is."""
    box.behave(compression="gzip")
    reply = await get(box, Accept_Encoding=accepted)
    assert "Content-Encoding" not in reply.headers
    assert reply.json["page"] == 1


def test_a_star_accepts_everything() -> None:
    """`*` stands for every encoding that is not named."""
    assert accepts("*", "gzip")
    assert not accepts("gzip;q=0, *", "gzip")


@pytest.mark.asyncio
async def test_a_compressed_answer_may_be_broken(box: Sandbox) -> None:
    """A fault on the wire strikes the compressed body; behaviours and faults combine."""
    box.behave(compression="gzip")
    box.faults(Fault("truncated", nth=1))
    with pytest.raises(aiohttp.ClientPayloadError):
        await get(box, Accept_Encoding="gzip")
    box.clear_faults()


@pytest.mark.asyncio
async def test_the_rate_limit() -> None:
    """As many requests pass as the bucket holds; the next one is a 429 that says when to come again."""
    with Sandbox(conversations=0, rate_limit=0.001, burst=3) as box:
        replies = [await get(box, "/models") for _ in range(5)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429, 429]
    assert replies[3].json["message"]
    assert 900 < int(replies[3].headers["Retry-After"]) <= 1_000


RETRY_AFTERS: dict[RetryAfter, str] = {
    "past": "Wed, 21 Oct 2015 07:28:00 GMT",
    "nan": "nan",
    "inf": "inf",
    "negative": "-1",
    "hex": "0x10",
    "arabic": "\u0661\u0660",
    "list": "5, 10",
    "exponent": "1e309",
    "underscore": "1_000",
    "year-99999": "Fri, 31 Dec 99999 23:59:59 GMT",
}


async def told(box: Sandbox, form: RetryAfter) -> str | None:
    box.behave(rate_limit=0.001, burst=1, retry_after=form)
    while (reply := await get(box, "/models")).status == 200:
        pass
    return reply.headers.get("Retry-After")


@pytest.mark.asyncio
@pytest.mark.parametrize("form", RETRY_AFTERS)
async def test_an_odd_retry_after(box: Sandbox, form: RetryAfter) -> None:
    """A 429 may say it in any of the odd forms."""
    assert await told(box, form) == RETRY_AFTERS[form]


@pytest.mark.asyncio
async def test_a_retry_after_that_is_a_date(box: Sandbox) -> None:
    """A 429 may give an HTTP date, in GMT."""
    date = await told(box, "date")
    assert date is not None
    assert date.endswith(" GMT")
    assert parsedate_to_datetime(date).year >= 2025


@pytest.mark.asyncio
async def test_no_retry_after(box: Sandbox) -> None:
    """A 429 may say nothing."""
    assert await told(box, "none") is None


def test_every_form_of_retry_after_is_written() -> None:
    """No form is forgotten."""
    assert set(get_args(RetryAfter)) == {*RETRY_AFTERS, "none", "seconds", "date"}


@pytest.mark.parametrize(("wait", "seconds"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.001, "2")])
def test_seconds_are_rounded_up(wait: float, seconds: str) -> None:
    """Who waits that long does not come too early."""
    assert write_retry_after("seconds", wait, 0.0) == seconds
    assert read_retry_after(write_retry_after("date", wait, 1_000.5), 1_000.5) == 1_001 + int(seconds)


@pytest.mark.parametrize("form", sorted(RETRY_AFTERS.keys() - {"past"}))
def test_what_is_no_retry_after(form: RetryAfter) -> None:
    """What is neither whole seconds nor a date that exists binds nobody."""
    assert read_retry_after(RETRY_AFTERS[form], 1_000.0) == 0


@pytest.mark.asyncio
async def test_rate_headers() -> None:
    """Answers count down to the limit when they are asked to."""
    with Sandbox(conversations=0, rate_limit=0.001, burst=2, rate_headers=True) as box:
        replies = [await get(box, "/models") for _ in range(3)]
    assert [reply.headers["RateLimit-Remaining"] for reply in replies] == ["1", "0", "0"]
    assert {reply.headers["RateLimit-Limit"] for reply in replies} == {"2"}
    assert 900 < int(replies[0].headers["RateLimit-Reset"]) <= 1_000


@pytest.mark.asyncio
async def test_no_rate_headers(box: Sandbox) -> None:
    """Without being asked, and without a limit, there are none."""
    box.behave(rate_limit=1_000)
    assert not any(name.startswith("RateLimit") for name in (await get(box, "/models")).headers)
    box.behave(rate_limit=None, rate_headers=True)
    assert not any(name.startswith("RateLimit") for name in (await get(box, "/models")).headers)


def test_tokens_come_back() -> None:
    """An empty bucket lets one request pass as soon as the wait that it told is over, and not before."""
    bucket, grant = Bucket().take(0.0, rate=0.5, burst=1)
    assert (grant.allowed, grant.remaining, grant.wait) == (True, 0, 2.0)
    assert not bucket.take(1.999, rate=0.5, burst=1)[1].allowed
    assert bucket.take(2.0, rate=0.5, burst=1)[1].allowed


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.sampled_from([0.5, 1.0, 4.0]), st.integers(1, 8))
def test_a_bucket_never_gives_more_than_it_has(gaps: list[float], rate: float, burst: int) -> None:
    """Over any span no more pass than a full bucket and what came back meanwhile."""
    bucket, now, passed = Bucket(), 0.0, []
    for gap in gaps:
        now += gap
        bucket, grant = bucket.take(now, rate, burst)
        if grant.allowed:
            passed.append(now)
    for first, begun in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - begun) * rate + 1e-6


def test_requests_before_a_retry_after_has_passed() -> None:
    """Who comes before the time that a 429 told is counted, who comes at it is not."""
    now = 1_000.0
    audit = Audit(lambda: now)
    audit.told_to_wait("5")
    counts = []
    for now in (1_004.9, 1_005.0):  # noqa: B007 - the audit reads it
        audit.begin(1, "/models")
        counts.append(audit.summary()["before_retry_after"])
    assert counts == [1, 1]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "early"),
    [
        (Fault("status", status=429, retry_after="100", nth=1), 2),
        (Fault("status", status=503, retry_after="Fri, 31 Dec 2100 23:59:59 GMT", nth=1), 2),
        (Fault("status", status=503, retry_after="nan", nth=1), 0),
        (Fault("status", status=500, retry_after="100", nth=1), 0),
    ],
)
async def test_early_requests_are_counted(fault: Fault, early: int) -> None:
    """Requests that come before the Retry-After of a 429 or 503 has passed are counted."""
    with Sandbox(conversations=0, faults=[fault]) as box:
        for _ in range(3):
            await get(box, "/models")
        assert box.stats()["before_retry_after"] == early


@pytest.mark.asyncio
async def test_behaviours_combine() -> None:
    """Compressed, trickled, late, limited and told so: all at once."""
    with Sandbox(
        conversations=40, compression="gzip", bandwidth=10**6, latency=0.001, rate_limit=0.001, rate_headers=True
    ) as box:
        reply = await get(box, Accept_Encoding="gzip")
    assert json.loads(gzip.decompress(reply.body))["page"] == 1
    assert reply.headers["RateLimit-Remaining"] == "9"
