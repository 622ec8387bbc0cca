"""Timestamps: reading, writing, what a caller may give."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncchat import ConfigurationError
from asyncchat._wire.timestamps import check_range, format_filter, format_timestamp, parse_timestamp, to_instant

BANGKOK = timezone(timedelta(hours=7))
FIVE = datetime(2025, 5, 5, 5, 5, 5, tzinfo=BANGKOK)


@pytest.mark.parametrize("text", ["2025-05-05T05:05:05+0700", "2025-05-05T05:05:05+07:00", "2025-05-05 05:05:05+0700"])
def test_an_offset_with_or_without_colon(text: str) -> None:
    """Both spellings of an offset are one instant, and the offset is kept."""
    assert (parse_timestamp(text), parse_timestamp(text).utcoffset()) == (FIVE, timedelta(hours=7))


def test_z_is_utc() -> None:
    """`Z` is an offset of nothing."""
    assert parse_timestamp("2025-05-04T22:05:05Z") == FIVE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "1746396305000",
        "2025-05-05",
        "2025-05-05T05:05:05",
        "2025-05-05T05:05+0700",
        "2025-05-05T05:05:05+07",
        "2025-13-05T05:05:05Z",
        "2025-02-30T05:05:05Z",
        "2025-05-05T24:00:00Z",
        "2025-05-05T05:05:60Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2025-05-05T05:05:05+24:00",
        "2025-05-05T05:05:05Z\n",
        " 2025-05-05T05:05:05Z",
        "9999-12-31T23:59:59.9999999Z",
        "\u0662025-05-05T05:05:05Z",
    ],
)
def test_what_is_no_timestamp(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="not a timestamp with an offset"):
        parse_timestamp(text)


@given(st.datetimes(timezones=st.sampled_from([UTC, BANGKOK, timezone(timedelta(hours=-3, minutes=-30))])))
def test_what_is_written_is_read_as_it_was(moment: datetime) -> None:
    """`parse(format(x))` is x, with its offset."""
    again = parse_timestamp(format_timestamp(moment))
    assert (again, again.utcoffset()) == (moment, moment.utcoffset())


def test_a_timestamp_as_the_api_writes_it() -> None:
    """Whole seconds, an offset without a colon."""
    assert format_timestamp(FIVE) == "2025-05-05T05:05:05+0700"


def test_an_early_year_has_four_digits() -> None:
    """The year is padded with zeros."""
    assert format_timestamp(datetime(33, 4, 3, tzinfo=UTC)) == "0033-04-03T00:00:00+0000"


def test_an_offset_with_seconds_keeps_the_instant() -> None:
    """An offset that the API cannot write, as of local mean time, is written in UTC."""
    moment = datetime(1900, 1, 1, tzinfo=timezone(timedelta(hours=6, minutes=42, seconds=4)))
    assert parse_timestamp(format_timestamp(moment)) == moment


def test_filters_have_whole_seconds() -> None:
    """A filter is cut to the second."""
    assert format_filter(FIVE.replace(microsecond=999_999)) == "2025-05-05T05:05:05+0700"


@pytest.mark.parametrize(
    ("given_value", "instant"),
    [
        (FIVE, FIVE),
        (date(2025, 5, 5), datetime(2025, 5, 5, tzinfo=UTC)),
        ("2025-05-05", datetime(2025, 5, 5, tzinfo=UTC)),
        (" 2025-05-05T05:05:05+0700 ", FIVE),
        ("2025-05-04T22:05:05Z", FIVE),
    ],
)
def test_what_names_an_instant(given_value: Any, instant: datetime) -> None:
    """An aware datetime, a date and texts of both are instants; a date is midnight in UTC."""
    assert to_instant(given_value, "since") == instant


@pytest.mark.parametrize("naive", [datetime(2025, 5, 5, 5), "2025-05-05T05:00:00"])  # noqa: DTZ001 - the point
def test_a_naive_time_is_refused(naive: Any) -> None:
    """A time without an offset names no instant; the error says how to add one."""
    with pytest.raises(ConfigurationError, match=r"since has no time zone.*2025-05-05T05:00:00\+00:00"):
        to_instant(naive, "since")


@pytest.mark.parametrize(
    "value", ["", "yesterday", "2025-05-05T05:05:05 0700", "2025-02-30", "20250505", "2025-W19-1", "x" * 500]
)
def test_other_texts_are_refused(value: str) -> None:
    """A text that is no date is refused with an example."""
    with pytest.raises(ConfigurationError, match="until is not a date"):
        to_instant(value, "until")


@pytest.mark.parametrize("value", [5, 1.5, None, b"2025-05-05", object()])
def test_other_types_are_refused(value: Any) -> None:
    """What is no date at all is refused by the name of its type."""
    with pytest.raises(ConfigurationError, match=type(value).__name__):
        to_instant(value, "until")


def test_a_reversed_range_is_refused() -> None:
    """A range that ends before it begins is refused, with both times."""
    with pytest.raises(ConfigurationError, match="swap them"):
        check_range(FIVE, FIVE - timedelta(seconds=1))


@pytest.mark.parametrize(("since", "until"), [(FIVE, FIVE), (None, FIVE), (FIVE, None), (None, None)])
def test_other_ranges_are_taken(since: datetime | None, until: datetime | None) -> None:
    """One second is a range, and so is one that is open."""
    check_range(since, until)
