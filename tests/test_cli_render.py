"""What commands show, as functions."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from asyncchat.cli import render
from asyncchat.cli.render import export_stand, megabytes, progress_line, safe, show_progress, summary
from asyncchat.cli.wording import in_flags
from asyncchat.export import ExportReport, Part, Progress, Query

QUERY = Query(source="https://h/v1", format="jsonl", since=None, until=None, model_ids=(), messages=True)


def report(**changes: Any) -> ExportReport:
    values: dict[str, Any] = {
        "destination": "out",
        "query": QUERY,
        "as_of": datetime(2025, 6, 1, 12, 30, tzinfo=UTC),
        "rows": {"models": 5, "conversations": 1_234_567, "messages": 0},
        "parts": (Part(file="models/part-00000.jsonl", rows=5, size=1_500, sha256="0"),),
        "certificates": {"one page": 1_200, "steady walk": 2},
        "requests": 1_014,
        "retries": 3,
        "seconds": 75.25,
    }
    return ExportReport(**(values | changes))


def progress(**changes: Any) -> Progress:
    values: dict[str, Any] = {
        "rows": {"models": 5, "conversations": 1_000, "messages": 20_000},
        "conversations_total": 4_000,
        "conversations_done": 900,
        "windows": 3,
        "windows_left": 1,
        "uncertified": 0,
        "requests": 1_500,
        "retries": 0,
        "in_flight": 12,
        "rows_per_second": 1_234.5,
        "seconds_left": 65.4,
        "paused": None,
    }
    return Progress(**(values | changes))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("naïve 日本 🙂", "naïve 日本 🙂"),
        ("\x1b]52;c;eA==\x07", "\\x1b]52;c;eA==\\x07"),
        ("\x1b[2J\x9b31m", "\\x1b[2J\\x9b31m"),
        ("a\rb\tc", "a\\x0db\\x09c"),
        ("a\u202eb\u2066", "a\\x202eb\\x2066"),
        ("\ud800\x00", "\\xd800\\x00"),
        ("two\nlines", "two\nlines"),
    ],
    ids=["letters", "clipboard", "screen", "returns", "direction", "no letters", "lines"],
)
def test_safe(text: str, shown: str) -> None:
    """What a terminal would obey is shown escaped; letters of all scripts are shown."""
    assert safe(text) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (1_550_000, "1.6 MB"),
        (2 * 10**9, "2.0 GB"),
        (5 * 10**12, "5000.0 GB"),
    ],
)
def test_megabytes(size: int, shown: str) -> None:
    """Sizes are shown in units that people know."""
    assert megabytes(size) == shown


def test_the_summary() -> None:
    """An export's end is told in these lines."""
    assert summary(report()).splitlines() == [
        "Exported https://h/v1",
        "as of 2025-06-01 12:30:00 UTC",
        "",
        "  models                   5",
        "  conversations    1,234,567",
        "  messages                 0",
        "",
        "  destination   out",
        "  files         1 and manifest.json, 1.5 kB",
        "  requests      1,014, of these 3 retries",
        "  time          75.2 s",
        "  certified     yes, nothing is missing:",
        "                1,200 listings came whole on one page",
        "                2 listings kept their count all through",
    ]


def test_the_summary_of_a_second_run() -> None:
    """An export that was there already is told as such, without the time and requests of back then."""
    text = summary(report(reused=True))
    assert text.startswith("Already exported https://h/v1\n")
    assert "requests" not in text
    assert "time" not in text


def test_the_summary_of_several_runs() -> None:
    """An export that went on from an earlier run says so."""
    assert "  time          75.2 s, of more than one run\n" in summary(report(resumed=True))


def test_the_summary_of_a_database() -> None:
    """A destination without files names none."""
    text = summary(report(query=attrs.evolve(QUERY, format="sqlite"), parts=(), uncertified=tuple("abcdefghijk")))
    assert "files" not in text
    assert text.endswith("and 1 more: see the report in out")


def test_the_summary_of_what_is_uncertain() -> None:
    """What could not be proved is named, the first ten of it."""
    text = summary(report(uncertified=tuple(f"window {i}: moved" for i in range(12))))
    assert "  certified     NO: these could not be proved complete\n    - window 0: moved\n" in text
    assert text.endswith("    - window 9: moved\n    - and 2 more: see out/manifest.json")


def test_the_summary_of_what_was_deleted() -> None:
    """Conversations that went meanwhile are counted."""
    assert summary(report(deleted=(1, 2))).endswith("deleted       2 conversations went while they were read")


def test_the_summary_is_safe() -> None:
    """No text from elsewhere moves the cursor."""
    text = summary(report(destination="\x1b[2J", uncertified=("\x9b31m",)))
    assert "\x1b" not in text
    assert "\x9b" not in text


def test_the_progress() -> None:
    """Progress is told in one line."""
    told = "900 of 4,000 conversations, 20,000 messages, 1,234 rows/s, 3 windows and 1 to go, 12 in flight, 1:05 left"
    assert progress_line(progress()) == told


def test_the_progress_at_the_start() -> None:
    """What is not known yet is not told, and long times are in hours."""
    line = progress_line(progress(seconds_left=None, windows=1, windows_left=0))
    assert line.endswith("1 window and 0 to go, 12 in flight")
    assert progress_line(progress(seconds_left=7_325)).endswith("2:02:05 left")


def test_the_progress_of_a_slow_server() -> None:
    """Retries are told when there are any, and why nothing happens just now, without control characters."""
    line = progress_line(progress(retries=2, uncertified=1, paused="500 \x1b[2J: again in 2.0 s"))
    assert line.endswith("12 in flight, 2 retries, 1 uncertified, 1:05 left; 500 \\x1b[2J: again in 2.0 s")
    assert "1 retry," in progress_line(progress(retries=1))


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no terminal is, progress is written as plain lines."""
    monkeypatch.setattr(render, "_LOGGED_SECONDS", 0.0)
    stream = io.StringIO()
    with show_progress(stream, export_stand) as observe:
        observe(progress())
        observe(progress(in_flight=7))
    assert stream.getvalue().splitlines() == [
        f"asyncchat: {progress_line(progress())}",
        f"asyncchat: {progress_line(progress(in_flight=7))}",
    ]


def test_progress_is_logged_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all the progress that is told, as much is shown as the time says."""
    times = iter([0.0, 4.9, 5.0, 5.1, 9.9, 10.0])
    monkeypatch.setattr("asyncchat.cli.render.time.monotonic", lambda: next(times))
    stream = io.StringIO()
    with show_progress(stream, export_stand) as observe:
        for number in range(5):
            observe(progress(in_flight=number))
    assert [line.split(", ")[4] for line in stream.getvalue().splitlines()] == ["1 in flight", "4 in flight"]


def test_progress_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a bar is drawn, and removed at the end; markup in a server's words is no markup."""
    monkeypatch.setattr(render, "_DRAWN_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    with show_progress(stream, export_stand) as observe:
        observe(progress(paused="[bold]busy"))
    assert "22%" in stream.getvalue()
    assert "[bold]busy" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[2K")


def test_progress_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rich a terminal gets plain lines too."""
    monkeypatch.setattr(render, "_LOGGED_SECONDS", 0.0)
    monkeypatch.setitem(sys.modules, "rich", None)
    stream = Terminal()
    with show_progress(stream, export_stand) as observe:
        observe(progress())
    assert stream.getvalue() == f"asyncchat: {progress_line(progress())}\n"


def test_errors_name_flags() -> None:
    """What the library calls an argument, the command line calls by its flag, and nothing else is touched."""
    message = "Check base_url, or timeout= too short; my_token=1 and allow_http=True stay apart"
    told = "Check --base-url, or --timeout too short; my_token=1 and --allow-http stay apart"
    assert in_flags(message) == told
