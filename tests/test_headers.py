"""Response headers: Retry-After, Date, request ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncchat._wire.headers import Budget, parse_budget, parse_http_date, parse_retry_after, request_id

NOW = 1_750_000_000.0
DATE = "Sun, 15 Jun 2025 15:06:40 GMT"  # NOW


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("5", 5.0),
        (" 7 ", 7.0),
        ("007", 7.0),
        ("410400", 410_400.0),
        (DATE, 0.0),
        ("Sun, 15 Jun 2025 15:07:00 GMT", 20.0),
        ("Sun, 15 Jun 2025 15:00:00 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        *((absent, None) for absent in (
            "", "nan", "inf", "-inf", "-1", "+5", "1.5", "1e3", "1e309", "5, 10", "5;10", "0x10", "\u0665", "\u00b2",
            "1_000", "99999999999", "5 seconds", "soon", "2025-06-15T15:07:00Z", "Sun, 15 Jun 99999 15:07:00 GMT",
            "Sun, 31 Feb 2025 15:07:00 GMT", "Sun, 15 Jun 2025 25:07:00 GMT", "Sun, 15 Jun 2025 15:07:00 PST",
            "Sunday, 15-Jun-25 15:07:00 GMT", "Sun Jun 15 15:07:00 2025", "Sun, 15 Jun 0000 15:07:00 GMT",
        )),
    ],
)  # fmt: skip
def test_retry_after(text: str, seconds: float | None) -> None:
    """Whole seconds or an HTTP date; everything else counts as absent."""
    assert parse_retry_after({"retry-after": text}, NOW) == seconds


def test_no_retry_after() -> None:
    """Without the header the server asks for nothing."""
    assert parse_retry_after({}, NOW) is None


def test_a_date_is_held_against_the_servers_clock() -> None:
    """With a Date header, a clock here that is an hour off changes nothing."""
    headers = {"retry-after": "Sun, 15 Jun 2025 15:07:00 GMT", "date": DATE}
    assert parse_retry_after(headers, NOW - 3_600) == 20.0


def test_a_bad_date_header_is_not_believed() -> None:
    """With an unreadable Date header, the clock here counts."""
    headers = {"retry-after": "Sun, 15 Jun 2025 15:07:00 GMT", "date": "today"}
    assert parse_retry_after(headers, NOW) == 20.0


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_wait_is_never_negative_and_always_finite(text: str, date: str) -> None:
    """Whatever the headers say, a wait is None or a finite number from 0."""
    seconds = parse_retry_after({"retry-after": text, "date": date}, NOW)
    assert seconds is None or 0 <= seconds < 1e12


def test_an_http_date() -> None:
    """An HTTP date is seconds since the epoch."""
    assert parse_http_date(DATE) == NOW


def test_a_leap_second() -> None:
    """The second 60 is read as 59."""
    assert parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT") == parse_http_date("Sat, 31 Dec 2016 23:59:59 GMT")


@pytest.mark.parametrize("name", ["x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "cf-ray"])
def test_request_ids(name: str) -> None:
    """The request's id is found under each of its usual names, unless it is longer than 200 characters."""
    assert request_id({name: "r" * 200}) == "r" * 200
    assert request_id({name: "r" * 201}) is None


def test_no_request_id() -> None:
    """An empty id is none."""
    assert request_id({"x-request-id": ""}) is None


@pytest.mark.parametrize(
    ("headers", "remaining", "seconds"),
    [
        ({"ratelimit-remaining": "5", "ratelimit-reset": "30"}, 5, 30.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"}, 0, 30.0),
        ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "7"}, 0, 7.0),
        ({"ratelimit": "limit=100, remaining=50, reset=5"}, 50, 5.0),
        ({"ratelimit": '"default";r=50;t=30'}, 50, 30.0),
        ({"x-ratelimit-remaining": "9", "x-ratelimit-reset": str(int(NOW) + 40)}, 9, 40.0),
        ({"x-ratelimit-remaining": "9", "x-ratelimit-reset": "1000000000"}, 9, 0.0),
    ],
)
def test_rate_limit_headers(headers: dict[str, str], remaining: int, seconds: float) -> None:
    """Every usual spelling is read: separate or combined, seconds or a time."""
    assert parse_budget(headers, float(int(NOW))) == Budget(remaining, seconds)


def test_a_reset_is_held_against_the_servers_clock() -> None:
    """A reset that is a time is taken from the answer's own Date."""
    headers = {"x-ratelimit-remaining": "1", "x-ratelimit-reset": "1735689660", "date": "Wed, 01 Jan 2025 00:00:00 GMT"}
    assert parse_budget(headers, 0.0) == Budget(1, 60.0)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ratelimit-remaining": "5"},
        {"ratelimit-reset": "5"},
        {"ratelimit-remaining": "-1", "ratelimit-reset": "5"},
        {"ratelimit-remaining": "1.5", "ratelimit-reset": "5"},
        {"ratelimit-remaining": "\u0661", "ratelimit-reset": "5"},
        {"ratelimit-remaining": "1", "ratelimit-reset": "inf"},
        {"ratelimit-remaining": "1", "ratelimit-reset": "9" * 5_000},
        {"ratelimit": "remaining=5"},
        {"ratelimit": "r=x;t=y"},
        {"ratelimit": "100;w=60"},
    ],
)
def test_headers_that_tell_no_budget(headers: dict[str, str]) -> None:
    """What is missing or is no plain number counts as absent."""
    assert parse_budget(headers, NOW) is None
