"""Exports into folders that are killed with signal 9 at random moments, in every format."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import attrs
import pytest
from export_folders import QUERY
from export_many import check, run
from killing import CAN_KILL, kill_until_done, seconds_of, survives

from asyncchat.export import FORMATS

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not CAN_KILL, reason="kills are tried in child processes"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def kill_exports(base: Path, form: str, kills: int) -> None:
    """Export anew and anew, each time killed until it is done, and then a fresh one over it."""
    query, chance, killed = attrs.evolve(QUERY, format=form), random.Random(form), 0  # noqa: S311 - no secret
    seconds = seconds_of(partial(run, base / "truth", query))
    number = 0
    while killed < kills:
        root = base / f"export-{number}"
        killed += kill_until_done(partial(run, root, query), chance, seconds)
        check(root, base / "truth")
        killed += not survives(partial(run, root, query, fresh=True), chance.uniform(0, seconds))
        killed += kill_until_done(partial(run, root, query), chance, seconds)
        check(root, base / "truth")
        number += 1


@pytest.mark.parametrize("form", FORMATS)
def test_kills(tmp_path: Path, form: str) -> None:
    """Killed at random moments and started again, an export has each row once."""
    kill_exports(tmp_path, form, kills=6)


@pytest.mark.large
@pytest.mark.parametrize("form", FORMATS)
def test_many_kills(tmp_path: Path, form: str) -> None:
    """The same, a hundred and fifty times in each format."""
    kill_exports(tmp_path, form, kills=150)
