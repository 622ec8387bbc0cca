"""The probe against a real server over sockets, in each of its behaviours, its requests counted there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from asyncchat import AsyncClient, ConfigurationError
from asyncchat.export import Bound, Order, PastEnd, Probe, probe_server
from asyncchat.sandbox import Behaviour, Fault, Sandbox

OK, SHORT, IGNORED, UNKNOWN = Bound.INCLUSIVE, Bound.SHORT, Bound.IGNORED, Bound.UNKNOWN
CALM: dict[str, Any] = {
    "asked": 20, "given": 20, "came": 20, "rows": 60, "order": Order.OLDEST_FIRST, "since": OK, "until": OK,
    "subsecond": False, "additive": True, "past_end": PastEnd.EMPTY, "capped": False, "doubts": (),
}  # fmt: skip


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(conversations=60, messages_mean=1) as box:
        yield box


@pytest.fixture
def box(shared: Sandbox) -> Iterator[Sandbox]:
    yield shared
    shared.clear_faults()
    calm = Behaviour()
    shared.behave(**{name: getattr(calm, name) for name in Behaviour.__annotations__})


async def probe_of(box: Sandbox) -> Probe:
    """What the probe finds; it sends as many requests as it says, and never more than six."""
    before = len(box.requests())
    async with AsyncClient(box.base_url, token=box.token, per_page=20) as client:
        probe = await probe_server(client)
    sent = len(box.requests()) - before
    assert probe.requests == sent <= 6
    return probe


def traits(probe: Probe) -> dict[str, Any]:
    """What differs from a calm server."""
    return {name: getattr(probe, name) for name, value in CALM.items() if getattr(probe, name) != value}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("behaviour", "found", "requests"),
    [
        ({}, {}, 5),
        ({"max_per_page": 7}, {"given": 7, "came": 7}, 5),
        ({"past_end": "404"}, {"past_end": PastEnd.NOT_FOUND}, 5),
        ({"fractions": True}, {"until": SHORT, "subsecond": None}, 6),
        ({"fractions": True, "past_end": "404"}, {"until": SHORT, "subsecond": None, "past_end": PastEnd.NOT_FOUND}, 6),
        ({"count_cap": 40}, {"rows": 40, "additive": False, "past_end": PastEnd.MORE, "capped": True}, 5),
        ({"count_cap": 9}, {"rows": 9, "additive": False, "past_end": PastEnd.MORE, "capped": True}, 5),
        ({"count_cap": 60}, {}, 5),
        ({"order": "-time"}, {"order": Order.NEWEST_FIRST}, 5),
        ({"order": "time", "unstable_ties": True}, {}, 5),
        ({"order": "-id", "prerendered": True}, {"order": Order.NEWEST_FIRST}, 5),
        ({"compression": "gzip", "latency": 0.001, "rate_headers": True}, {}, 5),
    ],
)
async def test_behaviours(box: Sandbox, behaviour: dict[str, Any], found: dict[str, Any], requests: int) -> None:
    """Each behaviour is found, and nothing else."""
    box.behave(**behaviour)
    probe = await probe_of(box)
    assert (traits(probe), probe.requests) == (found, requests)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("unfiltered", {"since": IGNORED, "until": IGNORED, "subsecond": None, "additive": None}),
        ("foreign-row", {"since": IGNORED, "until": UNKNOWN, "subsecond": None, "additive": None}),
        ("same-page", {"past_end": PastEnd.REPEATED, "capped": None}),
        ("extra", {}),
        ("nulls", {}),
    ],
)
async def test_faults_of_the_content(box: Sandbox, fault: Any, found: dict[str, Any]) -> None:
    """A server that ignores filters or page numbers is found out; harmless oddities are not held against it."""
    box.faults(Fault(fault))
    assert traits(await probe_of(box)) == found


ERRORS = [
    Fault("status", status=500, times=1), Fault("status", status=404, times=1), Fault("reset-inside", times=1),
    Fault("html", times=1), Fault("truncated", times=1), Fault("envelope", name="total_rows", value="NaN", times=1),
]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", ERRORS, ids=[f"{fault.kind}{fault.status or ''}" for fault in ERRORS])
@pytest.mark.parametrize("nth", range(1, 6))
async def test_one_request_fails(box: Sandbox, fault: Fault, nth: int) -> None:
    """Whichever request fails, and however, it is a doubt; every verdict is right or "cannot tell"."""
    box.faults(attrs.evolve(fault, nth=nth))
    probe = await probe_of(box)
    is_an_end = fault.status == 404 and nth == 5
    assert len(probe.doubts) == (0 if is_an_end else 1)
    allowed = {None, UNKNOWN, PastEnd.UNKNOWN, Order.UNKNOWN, probe.doubts}
    assert set(traits(probe).values()) <= (allowed | {PastEnd.NOT_FOUND} if is_an_end else allowed)


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["html", "empty", "deep", "silence"])
async def test_a_server_that_answers_nothing_useful(box: Sandbox, kind: Any) -> None:
    """A server that never gives a page ends the probe after two requests, with the error as the doubt."""
    box.faults(Fault(kind))
    async with AsyncClient(box.base_url, token=box.token, timeout=0.2) as client:
        probe = await probe_server(client)
    assert (probe.requests, probe.given, len(probe.doubts)) == (2, None, 1)


@pytest.mark.asyncio
async def test_a_wrong_token(box: Sandbox) -> None:
    """A token that is refused is a doubt too, and not in it."""
    async with AsyncClient(box.base_url, token="wr0ng-t0ken") as client:
        (doubt,) = (await probe_server(client)).doubts
    assert "401" in doubt
    assert "wr0ng-t0ken" not in doubt


@pytest.mark.asyncio
async def test_a_server_that_asks_to_wait_for_long(box: Sandbox) -> None:
    """A long Retry-After ends the probe: it neither waits nor asks before."""
    box.faults(Fault("status", status=429, retry_after="3600", nth=3))
    probe = await probe_of(box)
    assert (probe.requests, len(probe.doubts), probe.given, probe.additive) == (3, 1, 20, None)
    assert box.stats()["before_retry_after"] == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [0, 1, 2])
async def test_small_accounts(count: int) -> None:
    """With 0, 1 or 2 conversations nothing wrong is told of filters and counts."""
    with Sandbox(conversations=count) as box:
        for fractions in (False, True):
            box.behave(fractions=fractions)
            probe = await probe_of(box)
            assert UNKNOWN in {probe.since, probe.until}
            assert {probe.since, probe.until} <= {OK, UNKNOWN}
            assert (probe.additive, probe.subsecond, probe.rows) == (None, None, count)


@pytest.mark.asyncio
async def test_small_accounts_of_a_server_that_filters_nothing() -> None:
    """One conversation is no proof that filters work, nor that they do not."""
    with Sandbox(conversations=1, faults=[Fault("unfiltered")]) as box:
        probe = await probe_of(box)
    assert (probe.since, probe.until, probe.additive) == (UNKNOWN, UNKNOWN, None)


@pytest.mark.asyncio
async def test_live_traffic(box: Sandbox) -> None:
    """While rows come and go nothing wrong is told."""
    with Sandbox(conversations=60, traffic=50, late=0.05) as live:
        for _ in range(10):
            probe = await probe_of(live)
            assert {probe.since, probe.until} <= {OK, UNKNOWN}
            assert probe.capped in {False, None}


@pytest.mark.asyncio
async def test_a_closed_client(box: Sandbox) -> None:
    """A client that is closed is an error of its own, not a finding about the server."""
    client = AsyncClient(box.base_url, token=box.token)
    await client.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        await probe_server(client)
