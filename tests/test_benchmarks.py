"""The benchmarks start, and what they say of growth holds: ratios with generous bounds, never times."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET  # our own files
from pathlib import Path
from typing import Any

import attrs
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))  # first: others bring a package of that name

from benchmarks import growth
from benchmarks.__main__ import NAMES
from benchmarks.growth import Point, problems
from benchmarks.kit.figures import Spread, ratio, slope
from benchmarks.kit.output import table
from benchmarks.kit.rounds import take_turns

pytestmark = pytest.mark.heavy
ROOT = Path(__file__).parent.parent
SIZES = (4_000, 60_000)


def points(study: str = growth.READING, **changed: Any) -> list[Point]:
    """Two sizes of a study whose growth is as it should be, but for what the larger one has otherwise."""
    small = Point(study=study, x=10_000, rows=10_000, requests=100, wall=0.1, cpu=0.1, peak=50.0)
    large = Point(study=study, x=100_000, rows=100_000, requests=1_000, wall=1.0, cpu=1.0, peak=50.5)
    return [small, attrs.evolve(large, **changed)]


def test_reading_grows_with_the_rows() -> None:
    """A listing takes a request for each page, work in proportion to its rows, and memory that stays."""
    assert problems(growth.read_rows(SIZES, 3, "asyncio")) == []


def test_exports_grow_with_the_rows() -> None:
    """An export takes few requests besides one for each conversation, and work in proportion to its rows."""
    assert problems(growth.export_rows((2_000, 10_000), 3, "asyncio")) == []


def test_requests_follow_the_size_of_pages() -> None:
    """A listing takes as many requests as it has pages."""
    found = growth.read_pages((50, 500), 1, "asyncio", rows=2_000)
    assert problems(found) == []
    assert slope((point.x, point.requests) for point in found) == pytest.approx(-1)


def test_a_reader_that_keeps_its_rows_is_found() -> None:
    """The check of memory finds a reader that keeps every row."""
    (found,) = problems(growth.read_rows(SIZES, 3, "asyncio", reader="benchmarks.candidates.ours:collect"))
    assert "each row adds" in found


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, []),
        ({"requests": 1_001}, ["1001 requests"]),
        ({"cpu": 10.0}, ["power 2.00"]),
        ({"peak": 90.0}, ["each row adds"]),
    ],
)
def test_what_is_found(changed: dict[str, Any], told: list[str]) -> None:
    """A request too many, quadratic work and memory that grows are each found, and nothing else."""
    found = problems(points(**changed))
    assert len(found) == len(told)
    assert all(part in sentence for part, sentence in zip(told, found, strict=True))


def test_an_export_that_asks_too_often_is_found() -> None:
    """Two requests for each conversation are too many."""
    assert problems(points(growth.EXPORT, requests=2_000)) == []
    assert len(problems(points(growth.EXPORT, requests=9_000))) == 1


def test_each_has_a_command(tmp_path: Path) -> None:
    """One runs by its name, prints a table, and writes JSON and a chart."""
    command = [sys.executable, "-m", "benchmarks", "hooks", "--rounds", "1", "--calls", "10", "--out", str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=60)  # noqa: S603
    assert "no hook" in done.stdout
    told = json.loads((tmp_path / "hooks.json").read_text("utf-8"))
    assert next(record["candidate"] for record in told["records"]) == "no hook"
    assert ET.parse(tmp_path / "hooks.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own file


def test_every_module_is_named() -> None:
    """Every benchmark can be run by its name."""
    texts = {path.stem: path.read_text("utf-8") for path in (ROOT / "benchmarks").glob("*.py")}
    assert {name for name, text in texts.items() if "\ndef run(given" in text} == set(NAMES)


def test_turns_change() -> None:
    """Each way has its turn in every round, not always first, and warm-up rounds are dropped."""
    order: list[str] = []
    ways = {name: lambda name=name: order.append(name) for name in "abc"}
    taken = take_turns(ways, 3)
    assert [len(results) for results in taken.values()] == [3, 3, 3]
    rounds = [order[at : at + 3] for at in range(0, 12, 3)]
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds)
    assert len({each[0] for each in rounds}) > 1


def test_figures() -> None:
    """Medians, ratios of one round, and exponents of growth."""
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)
    assert ratio([2.0, 9.0], [1.0, 3.0]) == Spread(2.5, 2.0, 3.0, 2)
    assert slope([(1, 5), (10, 500), (100, 50_000)]) == pytest.approx(2)


def test_tables() -> None:
    """Numbers stand right, texts left, and what a line lacks is empty."""
    text = table([{"name": "a", "n": 1_000}, {"name": "bc", "n": 2.5, "ok": True}])
    assert text.splitlines() == ["name      n   ok", "a     1,000", "bc     2.50  yes"]
