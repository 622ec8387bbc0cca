"""How long importing asyncchat takes, beside importing its libraries alone.

Each candidate is a fresh interpreter; candidates take turns, so that a slow moment of the machine hits all of them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Final

RUNS: Final = 15
CANDIDATES: Final = {
    "nothing": "pass",
    "aiohttp + cattrs + msgspec": "import aiohttp, cattrs, msgspec",
    "import asyncchat": "import asyncchat",
    "from asyncchat import AsyncClient": "from asyncchat import AsyncClient",
    "from asyncchat import AsyncClient, Client": "from asyncchat import AsyncClient, Client",
}


def seconds(code: str) -> float:
    """Seconds that a fresh interpreter takes to run some code."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own interpreter
    return time.perf_counter() - began


def main() -> None:
    """Print the medians, without the interpreter's own start, and the ratios to the libraries alone."""
    taken: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for _ in range(RUNS + 1):
        for name, code in CANDIDATES.items():
            taken[name].append(seconds(code))
    medians = {name: statistics.median(times[1:]) for name, times in taken.items()}
    start = medians.pop("nothing")
    libraries = medians["aiohttp + cattrs + msgspec"] - start
    for name, median in medians.items():
        print(f"{name:<45}{(median - start) * 1000:>8.1f} ms{(median - start) / libraries:>8.2f}")


if __name__ == "__main__":
    main()
