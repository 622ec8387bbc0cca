"""What a benchmark has found: a table to read, JSON to keep, a chart to look at."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from benchmarks.kit.chart import Chart, draw
from benchmarks.kit.figures import Spread, shown

Record: TypeAlias = Mapping[str, Any]
"""A line of a table: texts, numbers, spreads, by the names of columns."""


@attrs.frozen(kw_only=True)
class Result:
    """What a benchmark has found.

    Attributes:
        records: Line by line.
        charts: What is drawn.
        notes: Sentences beside them, such as candidates that were left out.
    """

    records: Sequence[Record]
    charts: Sequence[Chart] = ()
    notes: Sequence[str] = ()


def table(records: Sequence[Record]) -> str:
    """The records as text, a column for each name."""
    names = list(dict.fromkeys(name for record in records for name in record))
    lines = [names, *[[_cell(record.get(name)) for name in names] for record in records]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    left = [all(isinstance(record.get(name), str | None) for record in records) for name in names]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if is_text else cell.rjust(width)
            for cell, width, is_text in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in lines
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return shown(value) if isinstance(value, float) else str(value)


def keep(name: str, result: Result, folder: Path) -> list[Path]:
    """Write NAME.json, and NAME.svg if there is a chart; returns which."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"name": name, "records": [_plain(record) for record in result.records], "notes": list(result.notes)}
    files = {folder / f"{name}.json": json.dumps(told, indent=1)}
    if result.charts:
        files[folder / f"{name}.svg"] = draw(result.charts)
    for path, text in files.items():
        path.write_text(text + "\n", encoding="utf-8")
    return list(files)


def _plain(record: Record) -> dict[str, Any]:
    return {name: attrs.asdict(value) if isinstance(value, Spread) else value for name, value in record.items()}
