"""What `asyncchat sync` shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from asyncchat.cli.render import Stand, export_stand, many, safe

if TYPE_CHECKING:
    from asyncchat.cli.from_webhooks import Look
    from asyncchat.export import Progress, SyncProgress, SyncReport

_DOUBTS_SHOWN: Final = 10
_NOTABLE: Final = 5
"""Seconds by which a clock has to go back to be worth a word."""


def moment() -> str:
    """The time, for lines of a command that runs for long."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"


def sync_stand(progress: Progress | SyncProgress) -> Stand:
    """How far an export, or a round, has come."""
    from asyncchat.export import Progress  # noqa: PLC0415 - heavy, and loaded by who gives one

    if isinstance(progress, Progress):
        return export_stand(progress)
    total = progress.conversations_total
    done = f"{progress.conversations:,} of {many(total, 'change')} looked into" if total else "asking what has changed"
    line = f"{done}, {many(progress.messages, 'new message')}, {many(progress.requests, 'request')}"
    paused = f"; {safe(progress.paused)}" if progress.paused else ""
    return Stand(line + paused, progress.conversations, progress.conversations_total)


def round_line(report: SyncReport) -> str:
    """A round in one line."""
    parts = [many(report.new, "new conversation"), f"{report.changed:,} changed", many(report.messages, "new message")]
    if report.deleted:
        parts.append(f"{len(report.deleted):,} deleted")
    parts.append(many(report.requests, "request"))
    if report.exported is not None:
        parts.insert(0, f"exported {report.exported.rows.get('conversations', 0):,} conversations")
    told = "complete" if report.certified else f"NOT all of it complete ({safe(report.uncertified[0])})"
    lied = f"; {_lied(report)}" if report.lied else ""
    return f"{moment()}  {', '.join(parts)}; {told} as of {report.as_of:%H:%M:%S}{lied}"


def look_line(look: Look) -> str:
    """What came of the events of an inbox, in one line."""
    if not look.events:
        return f"{moment()}  no event is due"
    parts = [
        many(look.events, "event"),
        many(look.sum_of("new"), "new conversation"),
        f"{look.sum_of('changed'):,} changed",
        many(look.sum_of("messages"), "new message"),
    ]
    if look.gone:
        parts.append(f"{len(look.gone):,} gone")
    parts.append(many(look.sum_of("requests"), "request"))
    first = "" if look.certified else f"; {len(look.uncertified):,} NOT done ({safe(look.uncertified[0])})"
    return f"{moment()}  {', '.join(parts)}{first}"


def sync_summary(report: SyncReport) -> str:
    """A round's end, in a few narrow lines."""
    head = "Exported and synced" if report.exported is not None else "Synced"
    lines = [
        f"{head} {safe(report.query.source)}",
        f"as of {report.as_of:%Y-%m-%d %H:%M:%S} UTC, before it {report.since:%Y-%m-%d %H:%M:%S}",
        "",
        *(f"  {kind:<14}{count:>12,}" for kind, count in report.rows.items()),
        "",
        f"  destination   {safe(report.destination)}",
        f"  new           {many(report.new, 'conversation')}, {many(report.messages, 'message')}",
        f"  changed       {many(report.changed, 'conversation')}",
        *_ways(report),
    ]
    if report.deleted:
        lines.append(f"  deleted       {many(len(report.deleted), 'conversation')}: marked in deleted_at")
    lines.append(f"  requests      {report.requests:,}, of these {report.retries:,} retries")
    lines.append(f"  time          {report.seconds:.1f} s")
    if report.clock_went_back > _NOTABLE:
        lines.append(f"  clock         the server's was set back by {report.clock_went_back:,} s")
    if report.lied:
        lines.append(f"  recent        {_lied(report)}")
    return "\n".join([*lines, *_certified(report)])


def _ways(report: SyncReport) -> list[str]:
    words = {"recent": "without a request", "tail": "from the end of their listing", "whole": "from all of it"}
    told = [f"{report.ways[way]:,} {text}" for way, text in words.items() if report.ways.get(way)]
    audit = [f"                {report.audited:,} of them counted as a check"] if report.audited else []
    first, *rest = told or ["none"]
    return [f"  messages of   {first}", *(f"                {each}" for each in rest), *audit]


def _lied(report: SyncReport) -> str:
    ids = ", ".join(map(str, report.lied[:3]))
    return f"recent messages of {ids} had a gap, which is filled; they are not believed any more"


def _certified(report: SyncReport) -> list[str]:
    if report.certified:
        return ["  certified     yes, nothing is missing"]
    shown = [f"    - {safe(doubt)}" for doubt in report.uncertified[:_DOUBTS_SHOWN]]
    more = len(report.uncertified) - len(shown)
    rest = [f"    - and {more:,} more: see --json"] if more else []
    return ["  certified     NO: these could not be proved complete, and are read again", *shown, *rest]
