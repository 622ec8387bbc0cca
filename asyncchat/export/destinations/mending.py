"""Replaces a finished export in a folder by one whose files are partly the same."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from asyncchat.errors import ExportError
from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.files import NOTE, sync_folder
from asyncchat.export.destinations.formats import find_format
from asyncchat.export.destinations.holding import kinds_held
from asyncchat.export.destinations.journal import Journal
from asyncchat.export.destinations.parts import Parts, in_order, kind_of, link_or_copy, number_of
from asyncchat.export.destinations.staging import Staging
from asyncchat.export.destinations.thinning import rows_without
from asyncchat.export.report import ExportReport, Part


@attrs.frozen(kw_only=True)
class Remake:
    """What becomes of an export's files; those that are not named are left out.

    Attributes:
        kept: Files that stay as they are.
        without: Files that are written anew, each with the ids of the rows that it loses.
        further: Rows that are written behind all others.
    """

    kept: Sequence[Part]
    without: Mapping[Part, Collection[int]] = attrs.field(factory=dict)
    further: Iterable[Batch] = ()


def put_in_place(
    root: Path, staging: Staging, done: ExportReport, remake: Remake, *, note: Mapping[str, Any] | None
) -> ExportReport:
    """Put an export that is made of a finished one in its place: all of it or nothing.

    Args:
        root: The folder, which is locked.
        staging: What is unfinished inside it.
        done: What the finished export says of itself, but for its files.
        remake: What becomes of these.
        note: What a sync notes beside that; None: nothing.

    Returns:
        The report of what is there then.

    Raises:
        ExportError: The folder holds an unfinished export besides.
        OSError: The disk took it not.
    """
    if staging.journal.exists():
        raise ExportError(f"{root} holds an unfinished export besides: end that first, or replace it")
    staging.remove()
    try:
        report = _stage_again(root, staging.path, done, remake)
        manifest = report.manifest() if note is None else {**report.manifest(), NOTE: note}
        made = Journal.create(staging.journal, done.query, manifest=manifest)
    except BaseException:
        with contextlib.suppress(OSError):  # else the next run does it
            staging.remove()
        raise
    with contextlib.closing(made) as journal:
        staging.sync()
        staging.move(journal)
    return report


def _stage_again(root: Path, staging: Path, done: ExportReport, remake: Remake) -> ExportReport:
    """Put links to the files that are kept, and new ones with all other rows, into a folder of their own, durably."""
    staging.mkdir()
    numbers = dict.fromkeys(kinds_held(done.query), 0)
    for kind in numbers:
        (staging / kind).mkdir()
    for part in remake.kept:
        numbers[kind_of(part)] = max(numbers[kind_of(part)], number_of(part.file) + 1)
        link_or_copy(root / part.file, staging / part.file)
    parts = Parts(staging, find_format(done.query.format), numbers)
    written = _written(parts, root, done.query.format, remake)
    for kind in numbers.keys() - set(map(kind_of, written)):  # those have been synced, with the links in them
        sync_folder(staging / kind)
    sync_folder(staging)
    whole = in_order([*remake.kept, *written])
    counts = Counter(dict.fromkeys(done.rows, 0))
    for part in whole:
        counts[kind_of(part)] += part.rows
    return attrs.evolve(done, parts=whole, rows=dict(counts))


def _written(parts: Parts, root: Path, form: str, remake: Remake) -> list[Part]:
    try:
        for part, ids in remake.without.items():
            for rows in rows_without(root / part.file, kind_of(part), form, ids):
                parts.write(rows)
        for batch in remake.further:
            parts.write(batch)
        return parts.finish()
    except BaseException:
        parts.abandon()
        raise
