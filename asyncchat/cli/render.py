"""What commands show."""

from __future__ import annotations

import contextlib
import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TextIO, TypeVar

import attrs

if TYPE_CHECKING:
    from asyncchat.export import Difference, ExportReport, Progress, VerifyProgress, VerifyReport

P = TypeVar("P")

_DRAWN_SECONDS: Final = 0.1
_LOGGED_SECONDS: Final = 5.0
_DOUBTS_SHOWN: Final = 10
_IDS_SHOWN: Final = 5
_DATABASES: Final = frozenset({"sqlite", "duckdb", "postgresql"})
_PROOFS: Final = {
    "one page": "came whole on one page",
    "steady walk": "kept their count all through",
    "step": "were read from one end, the count falling by what was read",
    "confirmed": "were confirmed row by row between two equal counts",
}


def safe(text: str) -> str:
    """A text that moves no cursor and changes no colour: what a terminal would obey is shown escaped."""
    return "".join(ch if ch.isprintable() or ch == "\n" else f"\\x{ord(ch):02x}" for ch in text)


def megabytes(size: int) -> str:
    """A size for people, in decimal units."""
    number = float(size)
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:  # noqa: PLR2004 - decimal units
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def summary(report: ExportReport) -> str:
    """An export's end, in a few narrow lines."""
    head = "Already exported" if report.reused else "Exported"
    lines = [
        f"{head} {safe(report.query.source)}",
        f"as of {report.as_of:%Y-%m-%d %H:%M:%S} UTC",
        "",
        *(f"  {kind:<14}{count:>12,}" for kind, count in report.rows.items()),
        "",
        f"  destination   {safe(report.destination)}",
    ]
    if report.parts:
        lines.append(f"  files         {len(report.parts)} and manifest.json, {megabytes(report.size)}")
    if not report.reused:
        lines.append(f"  requests      {report.requests:,}, of these {report.retries:,} retries")
        runs = ", of more than one run" if report.resumed else ""
        lines.append(f"  time          {report.seconds:.1f} s{runs}")
    return "\n".join([*lines, *_certified(report), *_deleted(report)])


def _certified(report: ExportReport) -> list[str]:
    if report.certified:
        proofs = [f"{count:,} listings {_PROOFS.get(why, why)}" for why, count in report.certificates.items()]
        return ["  certified     yes, nothing is missing:", *(f"                {proof}" for proof in proofs)]
    shown = [f"    - {safe(doubt)}" for doubt in report.uncertified[:_DOUBTS_SHOWN]]
    more = len(report.uncertified) - len(shown)
    rest = [f"    - and {more:,} more: see {where_it_is_told(report)}"] if more else []
    return ["  certified     NO: these could not be proved complete", *shown, *rest]


def _deleted(report: ExportReport) -> list[str]:
    count = len(report.deleted)
    return [f"  deleted       {count:,} conversations went while they were read"] if count else []


def where_it_is_told(report: ExportReport) -> str:
    """Where all that could not be proved is named."""
    name = safe(report.destination)
    return f"the report in {name}" if report.query.format in _DATABASES else f"{name}/manifest.json"


def progress_line(progress: Progress) -> str:
    """How far an export has come, in one line."""
    conversations = f"{progress.conversations_done:,} of {progress.conversations_total:,} conversations"
    parts = [conversations, f"{progress.rows.get('messages', 0):,} messages", f"{progress.rows_per_second:,.0f} rows/s"]
    parts.append(f"{many(progress.windows, 'window')} and {progress.windows_left:,} to go")
    parts.append(f"{progress.in_flight} in flight")
    if progress.retries:
        parts.append(many(progress.retries, "retry", "retries"))
    if progress.uncertified:
        parts.append(f"{progress.uncertified:,} uncertified")
    if progress.seconds_left is not None:
        parts.append(f"{_duration(progress.seconds_left)} left")
    return ", ".join(parts) + (f"; {safe(progress.paused)}" if progress.paused else "")


def many(count: int, one: str, more: str = "") -> str:
    """A number with its noun."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def verify_line(progress: VerifyProgress) -> str:
    """How far a verification has come, in one line."""
    parts = [f"{many(progress.windows, 'window')} of conversations counted"]
    if progress.conversations_total:
        parts.append(f"messages of {progress.conversations:,} of {progress.conversations_total:,} conversations")
    parts += [f"{progress.requests:,} requests", many(progress.differences, "difference")]
    return ", ".join(parts) + (f"; {safe(progress.paused)}" if progress.paused else "")


def verdict(report: VerifyReport) -> str:
    """A verification's end, in a few narrow lines."""
    lines = [
        f"Verified {safe(report.destination)}",
        f"against {safe(report.query.source)}, as of {report.as_of:%Y-%m-%d %H:%M:%S} UTC",
        "",
        *(f"  {kind:<14}{count:>12,}" for kind, count in report.rows.items()),
        "",
        f"  compared      {many(report.windows, 'window')}, messages of {report.conversations:,} conversations",
        f"  requests      {report.requests:,}, of these {report.retries:,} retries",
        f"  time          {report.seconds:.1f} s",
    ]
    if report.newer:
        lines.append(f"  newer         {report.newer:,} messages came after the export")
    if report.intact:
        return "\n".join([*lines, "  intact        yes, nothing is missing and nothing extra"])
    changed = f", {report.changed:,} otherwise" if report.changed else ""
    lines.append(f"  intact        NO: {report.missing:,} rows missing, {report.extra:,} extra{changed}")
    found = [f"{safe(name)}: replaced" for name in report.replaced]
    if report.repaired:
        found.append(f"{sum(report.repaired.values()):,} rows have been put in")
    found += [f"{safe(name)}: damaged" for name in report.damaged]
    found += [f"cannot tell: {safe(doubt)}" for doubt in report.uncertain]
    found += map(_difference, report.differences)
    more = len(found) - _DOUBTS_SHOWN
    rest = [f"    - and {more:,} more: see --json"] if more > 0 else []
    return "\n".join([*lines, *(f"    - {each}" for each in found[:_DOUBTS_SHOWN]), *rest])


def _difference(difference: Difference) -> str:
    sides = [(difference.missing, "missing"), (difference.extra, "extra"), (difference.changed, "otherwise")]
    told = ", ".join(f"{_ids(ids)} {word}" for ids, word in sides if ids)
    return f"{difference.kind} of {difference.where}: {told}"


def _ids(ids: Sequence[int]) -> str:
    shown = ", ".join(map(str, ids[:_IDS_SHOWN]))
    return shown if len(ids) <= _IDS_SHOWN else f"{shown} and {len(ids) - _IDS_SHOWN:,} more"


@attrs.frozen
class Stand:
    """How far something has come, as it is drawn.

    Attributes:
        line: In words.
        done: Of `total`.
        total: 0 while it is not known.
    """

    line: str
    done: int
    total: int


def export_stand(progress: Progress) -> Stand:
    """How far an export has come."""
    return Stand(progress_line(progress), progress.conversations_done, progress.conversations_total)


def verify_stand(progress: VerifyProgress) -> Stand:
    """How far a verification has come."""
    return Stand(verify_line(progress), progress.conversations, progress.conversations_total)


@contextlib.contextmanager
def show_progress(stream: TextIO, stand: Callable[[P], Stand]) -> Iterator[Callable[[P], None]]:
    """An observer that draws a bar on a terminal, and writes a plain line now and then elsewhere, or without rich."""
    if stream.isatty() and importlib.util.find_spec("rich"):
        with _bar(stream) as draw:
            yield _every(_DRAWN_SECONDS, lambda progress: draw(stand(progress)))
    else:
        yield _every(
            _LOGGED_SECONDS,
            lambda progress: print(f"asyncchat: {stand(progress).line}", file=stream, flush=True),
        )


def _every(seconds: float, show: Callable[[P], None]) -> Callable[[P], None]:
    """Show one of the many progresses that come, so many seconds apart."""
    due = time.monotonic() + seconds

    def observe(progress: P) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due:
            due = now + seconds
            show(progress)

    return observe


@contextlib.contextmanager
def _bar(stream: TextIO) -> Iterator[Callable[[Stand], None]]:
    from rich import progress as rich  # noqa: PLC0415 - only where it draws
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Column  # noqa: PLC0415

    columns = (rich.BarColumn(bar_width=12), rich.TaskProgressColumn())
    text = rich.TextColumn("{task.description}", table_column=Column(ratio=1))
    with rich.Progress(*columns, text, console=Console(file=stream), transient=True, expand=True) as bar:
        task = bar.add_task("starting", total=None)

        def draw(stand: Stand) -> None:
            bar.update(task, total=stand.total or None, completed=stand.done, description=escape(stand.line))

        yield draw
