"""Syncs that are killed at random moments, of a server that changes meanwhile: the next one goes on, none is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from cli_run import PROGRAM, access, ended, kill_a_command, spawn
from test_syncing import is_true
from test_syncing_folders import is_true as is_folder_true

from asyncchat.sandbox import Sandbox

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(os.name != "posix", reason="a process is not killed without a word elsewhere"),
]

OFTEN = f"""
import asyncchat.export.sink as sink
import asyncchat.export.syncing.changes as changes
import asyncchat.export.syncing.updates as updates
sink._WRITE_BYTES, sink._COMMIT_BYTES, sink._COMMIT_SECONDS = 2_000, 40_000, 0.05
changes._SLICE_ROWS, updates._BLOCK = 20, 10
{PROGRAM}
"""
"""The command, which commits many times in a round."""

FLAGS = ("--lag", "1", "--lookback", "5", "--audit", "0.1", "--quiet")
FEW, MANY = 2, 70


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=120, messages_mean=6, latency=0.002) as running:
        yield running


@pytest.mark.parametrize("kills", [FEW, pytest.param(MANY, marks=pytest.mark.large)])
def test_killed_at_random_moments(box: Sandbox, database: str, kills: int) -> None:
    """Whatever was killed, in the export, in a round or in its commits: the last round's copy is the server."""
    kill_and_sync(box, database, kills)
    assert is_true(database, box)


@pytest.mark.parametrize("kills", [FEW, pytest.param(MANY, marks=pytest.mark.large)])
def test_folders_killed_at_random_moments(box: Sandbox, tmp_path: Path, kills: int) -> None:
    """The same with files, which are there in one state or the other."""
    kill_and_sync(box, str(tmp_path / "export"), kills)
    assert is_folder_true(tmp_path / "export", box)


def kill_and_sync(box: Sandbox, database: str, kills: int) -> None:
    """Sync anew and anew, and kill most of these; then once to the end."""
    rnd, done = Random(f"{database.partition(':')[0]} {kills}"), 0  # noqa: S311 - a game
    while done < kills:
        done += killed(box, rnd, database)
        box.make_changes(rnd.randint(0, 120))
        box.advance(rnd.randint(3, 60))
        if rnd.random() < 0.2:  # and some that come to their end
            assert ended(spawn("sync", database, *FLAGS, settings=access(box))).code == 0
    box.advance(30)
    last = ended(spawn("sync", database, *FLAGS, "--prune", settings=access(box)))
    assert (last.code, last.err) == (0, "")
    print(f"{database.partition(':')[0]}: {done} kills")  # noqa: T201 - shown by -rP


def killed(box: Sandbox, rnd: Random, database: str) -> bool:
    """Sync and kill it somewhere; returns whether it was not over before."""
    flags = [*FLAGS, "--prune"] if rnd.random() < 0.3 else FLAGS
    return kill_a_command(box, rnd, ["sync", database, *flags], program=OFTEN, requests=(1, 60))
