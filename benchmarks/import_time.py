"""How long importing asyncchat takes, beside importing its libraries alone; and the command, beside importing click.

Each candidate is a fresh interpreter, and they take turns. Milliseconds are without the interpreter's own start, ratios
of imports too; those of commands are over all of `python -c "import click"`, by the clock.
"""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.kit.chart import Bars
from benchmarks.kit.figures import Spread, ratio
from benchmarks.kit.output import Record, Result
from benchmarks.kit.rounds import take_turns

NOTHING: Final = "nothing"
LIBRARIES: Final = "aiohttp + cattrs + msgspec"
CLICK: Final = "import click"
HELP: Final = "asyncchat --help"
CODE: Final[Mapping[str, str]] = {
    NOTHING: "pass",
    LIBRARIES: "import aiohttp, cattrs, msgspec",
    "import asyncchat": "import asyncchat",
    "from asyncchat import AsyncClient": "from asyncchat import AsyncClient",
    "from asyncchat import AsyncClient, Client": "from asyncchat import AsyncClient, Client",
    CLICK: CLICK,
}


def commands() -> dict[str, list[str]]:
    """What is run, by name; the command itself is the one that is installed, or the module."""
    script = Path(sysconfig.get_path("scripts")) / "asyncchat"
    own = [str(script)] if script.exists() else [sys.executable, "-m", "asyncchat"]
    return {
        **{name: [sys.executable, "-c", code] for name, code in CODE.items()},
        HELP: [*own, "--help"],
        "asyncchat --version": [*own, "--version"],
    }


def seconds(command: Sequence[str]) -> float:
    """Seconds that a fresh interpreter takes."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own interpreter
    return time.perf_counter() - began


def measure(rounds: int) -> dict[str, list[float]]:
    """Seconds of each, by turns."""
    return take_turns({name: functools.partial(seconds, each) for name, each in commands().items()}, rounds)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=15)


def run(given: argparse.Namespace) -> Result:
    """Measure imports and commands."""
    taken = measure(given.rounds)
    start = taken.pop(NOTHING)
    net = {name: [a - b for a, b in zip(times, start, strict=True)] for name, times in taken.items()}
    records: list[Record] = [
        {
            "what": name,
            "ms": Spread.of(each * 1e3 for each in times),
            "x libraries": ratio(times, net[LIBRARIES]) if name in CODE else None,
            "x import click": None if name in CODE else ratio(taken[name], taken[CLICK]),
        }
        for name, times in net.items()
    ]
    chart = Bars("milliseconds beyond the interpreter's start", {each["what"]: each["ms"] for each in records})
    return Result(records=records, charts=[chart])
