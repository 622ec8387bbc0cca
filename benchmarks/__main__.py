"""The command: `python -m benchmarks NAME ...`, or all of them without a name."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Final

from benchmarks.kit.output import keep, table

NAMES: Final = (
    "import_time",
    "hooks",
    "transport",
    "sync",
    "reading",
    "account",
    "databases",
    "destinations",
    "export",
    "growth",
    "sandbox",
    "webhooks",
    "targets",
)
"""Modules with `add_options(parser)` and `run(given)`, which returns a `Result`."""
FOLDER: Final = Path("build/benchmarks")


def main(args: list[str]) -> None:
    """Run what is named first, with the options that follow; or each with its defaults."""
    if args and args[0] in NAMES:
        run(args[0], args[1:])
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", choices=NAMES, help="one alone, with options of its own: see NAME --help")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder for JSON and charts")
    given = parser.parse_args(args)
    for name in NAMES:
        run(name, ["--out", str(given.out)])


def run(name: str, args: list[str]) -> None:
    """Run one of them: a table on the standard output, JSON and a chart into a folder."""
    module = importlib.import_module(f"benchmarks.{name}")
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}", description=module.__doc__, formatter_class=raw
    )
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder for JSON and a chart")
    module.add_options(parser)
    given = parser.parse_args(args)
    print(f"---- {name}", flush=True)
    result = module.run(given)
    print(table(result.records))
    for line in [*result.notes, *[f"-> {path}" for path in keep(name, result, given.out)]]:
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
