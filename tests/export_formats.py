"""Part files read back, whatever their format."""

from __future__ import annotations

import csv
import gzip
import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest


def _unzstd(data: bytes) -> bytes:
    zstd: Any = pytest.importorskip("backports.zstd")
    return bytes(zstd.decompress(data))


def _lines(data: bytes) -> Iterable[object]:
    return data.split(b"\n")[:-1]


def _csv(path: Path) -> Iterable[object]:
    with path.open(newline="", encoding="utf-8") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def _parquet(path: Path) -> Iterable[object]:
    parquet: Any = importlib.import_module("pyarrow.parquet")
    return [repr(row) for row in parquet.read_table(path).to_pylist()]


_READERS: Final[dict[str, Callable[[Path], Iterable[object]]]] = {
    "jsonl": lambda path: _lines(path.read_bytes()),
    "gz": lambda path: _lines(gzip.decompress(path.read_bytes())),
    "zst": lambda path: _lines(_unzstd(path.read_bytes())),
    "csv": _csv,
    "parquet": _parquet,
}


def stored(root: Path, kind: str) -> list[Any]:
    """The rows in the part files of a kind, in their order, as values to be compared."""
    paths = sorted((root / kind).iterdir())
    return [row for path in paths for row in _READERS[path.name.rpartition(".")[2]](path)]
