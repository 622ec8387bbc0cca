"""Exports that are killed, and run again: each row is there once, whichever step or moment it was."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from database_killer import Kill, failures, steps

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(os.name != "posix", reason="a process is not killed without a word elsewhere"),
]

BOTH = pytest.mark.parametrize("fresh", [False, True])


def moments(database: str, count: int, *, fresh: bool) -> list[Kill]:
    """Random moments of an export's time, from a seed."""
    _, seconds = steps(database, fresh=fresh)
    chance = random.Random(f"{database.partition(':')[0]} {fresh}")  # noqa: S311 - reproducible, not secret
    return [Kill(seconds=chance.uniform(0.001, seconds)) for _ in range(count)]


@BOTH
def test_killed_at_some_steps(database: str, fresh: bool) -> None:
    """Killed before or after a statement or a load, taking turns, an export goes on to the very rows."""
    count, _ = steps(database, fresh=fresh)
    assert count > 20
    kills = [Kill(step=step, after=step % 2 == 0) for step in range(1, count - 8, 10)]
    assert failures(database, kills, fresh=fresh) == []


@BOTH
def test_killed_around_the_end(database: str, fresh: bool) -> None:
    """Killed at one of the steps that finish an export, one that is there stays whole, or is replaced whole."""
    count, _ = steps(database, fresh=fresh)
    kills = [Kill(step=step, after=step % 2 == 0) for step in range(count - 8, count)]
    assert failures(database, kills, fresh=fresh) == []


@BOTH
def test_killed_at_any_moment(database: str, fresh: bool) -> None:
    """Killed wherever it stands, in the database's own code too, an export goes on to the very rows."""
    assert failures(database, moments(database, 4, fresh=fresh), fresh=fresh) == []


def test_marks_that_come_before_their_rows(tmp_path: Path) -> None:
    """The trials see a loss: they find out a destination that commits marks before the rows that they stand for."""
    url = f"sqlite:///{tmp_path / 'chats.db'}"
    count, _ = steps(url, fresh=False)
    kills = [Kill(step=step) for step in range(count // 2, count - 8, 2)]
    assert failures(url, kills, fresh=False, is_broken=True) != []


@pytest.mark.large
@BOTH
def test_killed_at_every_step(database: str, fresh: bool) -> None:
    """Killed before and after every single step."""
    count, _ = steps(database, fresh=fresh)
    kills = [Kill(step=step, after=after) for step in range(count) for after in (False, True)]
    assert failures(database, kills, fresh=fresh) == []


@pytest.mark.large
@BOTH
def test_killed_at_hundreds_of_moments(database: str, fresh: bool) -> None:
    """Killed at hundreds of moments."""
    assert failures(database, moments(database, 250, fresh=fresh), fresh=fresh) == []
