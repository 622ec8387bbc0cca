"""Makes a finished export in a folder ready to be replaced by one that has some files less, and some rows more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import attrs

from asyncchat.export.destinations.base import Batch
from asyncchat.export.destinations.files import sync_folder
from asyncchat.export.destinations.formats import find_format
from asyncchat.export.destinations.holding import kinds_held
from asyncchat.export.destinations.parts import Parts, in_order, link_or_copy, number_of
from asyncchat.export.report import ExportReport, Part


def stage_again(
    root: Path, staging: Path, done: ExportReport, kept: Sequence[Part], batches: Sequence[Batch]
) -> ExportReport:
    """Put links to the files that are kept, and new ones with further rows, into a folder of their own, durably.

    Args:
        root: The folder of the export.
        staging: The other one, which is made.
        done: The report of the export.
        kept: Its files that are kept.
        batches: The further rows.

    Returns:
        The report of what is there then.

    Raises:
        OSError: The disk took it not.
    """
    staging.mkdir()
    numbers = dict.fromkeys(kinds_held(done.query), 0)
    for kind in numbers:
        (staging / kind).mkdir()
    for part in done.parts:
        kind, name = part.file.split("/")
        numbers[kind] = max(numbers[kind], number_of(name) + 1)
        if part in kept:
            link_or_copy(root / part.file, staging / part.file)
    whole = in_order([*kept, *_written(Parts(staging, find_format(done.query.format), numbers), batches)])
    for kind in numbers:
        sync_folder(staging / kind)
    counts = Counter(dict.fromkeys(done.rows, 0))
    for part in whole:
        counts[part.file.split("/")[0]] += part.rows
    return attrs.evolve(done, parts=whole, rows=dict(counts))


def _written(parts: Parts, batches: Sequence[Batch]) -> list[Part]:
    try:
        for batch in batches:
            parts.write(batch)
        return parts.finish()
    except BaseException:
        parts.abandon()
        raise
