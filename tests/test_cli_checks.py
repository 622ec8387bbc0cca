"""What the doctor makes of facts, and how it reaches a server."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import click
import pytest
from certificates import make_certificate
from hypothesis import given
from hypothesis import strategies as st
from rawserver import serving

from asyncchat import RateLimitError
from asyncchat.cli import reach as reach_module
from asyncchat.cli.checks import (
    Check,
    Status,
    clock_skew,
    is_fine,
    judge_clock,
    judge_error,
    judge_limits,
    judge_round_trip,
    judge_tls,
    table,
)
from asyncchat.cli.reach import reach

DAY = 86_400.0


@pytest.mark.parametrize(
    ("sent", "received", "date", "skew"),
    [
        (100.0, 100.0, 100.0, 0.0), (100.9, 100.9, 100.0, 0.0), (100.0, 100.5, 99.0, 0.0), (100.0, 110.0, 105.0, 0.0),
        (100.0, 110.0, 112.0, 2.0), (100.5, 100.6, 103.0, 2.4), (100.0, 100.1, 96.0, -3.0), (100.0, 109.0, 90.0, -9.0),
    ],
)  # fmt: skip
def test_the_skew(sent: float, received: float, date: float, skew: float) -> None:
    """Only what neither the journey nor the cut to whole seconds explains is a skew."""
    assert clock_skew(sent, received, date) == pytest.approx(skew)


@given(
    offset=st.integers(-100_000, 100_000),
    sent=st.floats(0, 1e6),
    there=st.floats(0, 30),
    back=st.floats(0, 30),
)
def test_a_skew_is_never_exaggerated(offset: int, sent: float, there: float, back: float) -> None:
    """Whatever the journey takes, the skew is at most the true one, and short of it by the journey and a second."""
    date = float(int(sent + there + offset + 1e6)) - 1e6
    skew = clock_skew(sent, sent + there + back, date)
    assert skew * offset >= 0
    assert abs(skew) <= abs(offset) + 1e-6
    assert abs(skew) >= abs(offset) - there - back - 1 - 1e-6


@pytest.mark.parametrize(
    ("skew", "status"),
    [(None, "unknown"), (0.0, "ok"), (1.9, "ok"), (-1.9, "ok"), (2.0, "warning"), (-59.0, "warning"), (60.0, "failed")],
)
def test_clocks(skew: float | None, status: str) -> None:
    """A skew is warned about from 2 s on, and fails from 60 s on."""
    assert judge_clock(skew).status == status


@pytest.mark.parametrize(("seconds", "status"), [(0.0, "ok"), (0.99, "ok"), (1.0, "warning")])
def test_round_trips(seconds: float, status: str) -> None:
    """A second for one row is slow."""
    assert judge_round_trip(seconds).status == status


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, "none announced"),
        ({"x-rate": "1", "date": "x"}, "none announced"),
        ({"x-ratelimit-limit": "9", "x-ratelimit-reset": "1"}, "x-ratelimit-limit: 9, x-ratelimit-reset: 1"),
        ({"ratelimit": '"a";r=5', "ratelimit-policy": "p" * 100}, f'ratelimit: "a";r=5, ratelimit-policy: {"p" * 40}'),
        ({"x-rate-limit-remaining": "5"}, "x-rate-limit-remaining: 5"),
    ],
)
def test_rate_limits(headers: dict[str, str], found: str) -> None:
    """Headers about rate limits are shown, each cut to 40 characters."""
    assert judge_limits(headers).found == found


@pytest.mark.parametrize(("days", "status"), [(14.0, "ok"), (13.9, "warning"), (0.5, "warning")])
def test_certificates_that_end(days: float, status: str) -> None:
    """A certificate that ends within two weeks is warned about."""
    assert judge_tls("TLSv1.3", days * DAY, 0.0).status == status


def test_too_many_requests() -> None:
    """A 429 says to go on more slowly."""
    check = judge_error(RateLimitError("429 Too Many Requests. Wait", status=429), "bearer")
    assert (check.status, check.found, "--max-rate" in check.change) == ("failed", "429 Too Many Requests", True)


@pytest.mark.heavy
@given(st.lists(st.builds(Check, st.just("name"), st.sampled_from(["ok", "failed"]), st.text(), st.text()), max_size=3))
def test_any_text_fits(checks: list[Check]) -> None:
    """Whatever a server says, lines have at most 80 characters that are printable."""
    for line in click.unstyle(table(checks)).splitlines():
        assert len(line) <= 80
        assert line.isprintable()
    assert is_fine(checks) == ("failed" not in {check.status for check in checks})


@pytest.mark.parametrize(
    ("told", "total"),
    [
        (["ok"], "all is fine"),
        (["ok", "warning"], "1 warning"),
        (["failed", "warning", "warning", "skipped"], "1 failed, 2 warnings"),
        (["ok", "unknown"], "1 could not be told"),
    ],
)
def test_the_sum(told: list[Status], total: str) -> None:
    """The last line counts what is not fine."""
    assert table([Check("name", status, "") for status in told]).splitlines()[-1] == total


# ---- connections


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), days=40)


def context_of(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.asyncio
async def test_a_good_certificate(certificate: Path) -> None:
    """A certificate of an own CA is fine with that CA; its version and end are told. Nothing is sent."""
    async with serving(b"", tls=context_of(certificate)) as server:
        network, tls = await reach(server.base_url, certificate)
    assert (network.status, tls.status, tls.found) == ("ok", "ok", "TLSv1.3, the certificate ends in 39 days")
    assert server.heads == []


@pytest.mark.asyncio
async def test_a_certificate_that_nobody_signed(certificate: Path) -> None:
    """Without that CA it fails, and the reason is told."""
    async with serving(b"", tls=context_of(certificate)) as server:
        _, tls = await reach(server.base_url, None)
    assert (tls.status, tls.found) == ("failed", "the certificate is not good: self-signed certificate")
    assert "--ca-file" in tls.change


@pytest.mark.asyncio
async def test_a_certificate_of_another_host(tmp_path: Path) -> None:
    """A certificate of another name fails."""
    other = make_certificate(tmp_path, name="DNS:other.example")
    async with serving(b"", tls=context_of(other)) as server:
        _, tls = await reach(server.base_url, other)
    assert tls.status == "failed"
    assert "certificate is not valid for '127.0.0.1'" in tls.found


@pytest.mark.asyncio
async def test_no_tls() -> None:
    """A port that speaks no TLS fails."""
    async with serving(b"HTTP/1.1 400 Bad Request\r\n\r\n", early=True) as server:
        _, tls = await reach(server.base_url.replace("http:", "https:"), None)
    assert tls.status == "failed"
    assert tls.found.startswith("no TLS came about")


@pytest.mark.asyncio
async def test_a_port_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer in time fails."""

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "open_connection", never)
    monkeypatch.setattr(reach_module, "_SECONDS", 0.05)
    (network,) = await reach("http://127.0.0.1:9/v1", None)
    assert network.found == "127.0.0.1:9 cannot be connected to (no answer in 0.05 s)"


@pytest.mark.asyncio
async def test_plain_http_to_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http to a host that is not this machine is a warning, even where it was allowed."""
    async with serving(b"") as server:
        port = int(server.base_url.rpartition(":")[2])
        there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", port))]

        async def looked_up(*_: object) -> list[str]:
            return [str(address[0]) for *_, address in there]

        monkeypatch.setattr(reach_module, "_look_up", looked_up)
        network, tls = await reach(server.base_url, None)
    assert network.found.startswith(f"127.0.0.1 (192.0.2.7) answers at port {port} in ")
    assert (tls.status, tls.found) == ("warning", "none: the token crosses the network readable")
