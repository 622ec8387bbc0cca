"""Whole exports as processes that are killed at random moments: the same command goes on, each row once.

The kills fall by requests and by time: after so many requests at the server, or some hundredths of a second later, in
which files are written, synced and named.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest
from cli_run import PROGRAM, access, ended, kill_a_command, spawn

from asyncchat.export import ExportReport
from asyncchat.export.destinations.files import read_report
from asyncchat.sandbox import Sandbox

pytestmark = pytest.mark.heavy

OFTEN = f"""
import asyncchat.export.sink as sink
sink._WRITE_BYTES, sink._COMMIT_BYTES, sink._COMMIT_SECONDS = 2_000, 40_000, 0.05
{PROGRAM}
"""
"""The command, which commits some fifty times in an export that takes a second."""

FEW, MANY = 1, 100


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=300, messages_mean=8, latency=0.002) as running:
        yield running


def is_there(path: Path, kind: str, suffix: str) -> list[int]:
    unpack: Any = {"jsonl": bytes, "jsonl.gz": gzip.decompress}.get(suffix)
    if unpack is None:
        unpack = pytest.importorskip("backports.zstd").decompress
    files = sorted((path / kind).glob(f"part-*.{suffix}"))
    return [json.loads(line)["id"] for file in files for line in unpack(file.read_bytes()).splitlines()]


def ids_in(target: str, kind: str) -> list[int]:
    """The ids of a kind, however often each is there."""
    if target.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(target.removeprefix("sqlite:///"))) as database:
            return [row_id for (row_id,) in database.execute(f"SELECT id FROM {kind}")]  # noqa: S608
    if target.startswith("duckdb"):
        with pytest.importorskip("duckdb").connect(target.removeprefix("duckdb:///"), read_only=True) as database:
            return [row_id for (row_id,) in database.execute(f"SELECT id FROM {kind}").fetchall()]  # noqa: S608
    path = Path(target)
    report = read_report(path)
    assert isinstance(report, ExportReport)
    return is_there(path, kind, report.query.format)


FORMS = ["jsonl", "jsonl.gz", "jsonl.zst", "sqlite", "duckdb"]


@pytest.mark.skipif(os.name != "posix", reason="a process is not killed without a word elsewhere")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kills", [FEW, pytest.param(MANY, marks=pytest.mark.large)])
def test_killed_at_random_moments(box: Sandbox, tmp_path: Path, form: str, kills: int) -> None:
    """However often an export is killed, in the end its rows are those of the server, none twice, none torn."""
    rnd, done, round_number = Random(kills), 0, 0  # noqa: S311 - a game
    resumed = 0
    while done < kills:
        round_number += 1
        target = (
            f"{form}:///{tmp_path}/{round_number}" if form in {"sqlite", "duckdb"} else f"{tmp_path}/{round_number}"
        )
        flags = [] if "://" in target else ["--format", form]
        for _ in range(rnd.randint(1, 3)):
            done += killed(box, rnd, "export", target, *flags)
        last = ended(spawn("export", target, *flags, "--json", settings=access(box)))
        assert last.code == 0, last
        resumed += json.loads(last.out)["resumed"]
        kinds: tuple[Literal["models", "conversations", "messages"], ...] = ("models", "conversations", "messages")
        for kind in kinds:
            assert sorted(ids_in(target, kind)) == sorted(int(str(row["id"])) for row in box.truth(kind)), target
    assert resumed > 0 or kills == FEW, "no kill left anything to go on from"
    print(f"{form}: {done} kills, {round_number} exports, {resumed} of them went on")  # noqa: T201 - shown by -rP


def killed(box: Sandbox, rnd: Random, *arguments: str) -> bool:
    """Run a command and kill it somewhere; returns whether it was not over before."""
    return kill_a_command(box, rnd, arguments, program=OFTEN, requests=(10, 320))
