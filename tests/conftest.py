"""What holds for every test: no settings of the machine's own, no clock that property tests race, no token shown."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from canary import MARKS, Net, Watch
from database_fixtures import database, destination, postgres, postgres_url  # noqa: F401 - fixtures
from hypothesis import HealthCheck, settings

from asyncchat._transport import direct
from asyncchat._transport.pipeline import Pipeline

settings.register_profile("asyncchat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("asyncchat")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ASYNCCHAT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(Path(__file__).parent / "no such folder"))


@pytest.fixture(params=["direct", "session"])
def any_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two ways that a GET may go."""
    if request.param == "session":
        monkeypatch.setattr(direct, "IS_KNOWN", False)
    return str(request.param)


# ---- a token that must come out nowhere: see canary.py


@pytest.fixture(scope="module")
def tally() -> Iterator[dict[str, int]]:
    counts: dict[str, int] = {}
    yield counts
    print(f"grepped {sum(counts.values())} outputs: {counts}")  # noqa: T201 - shown by -rP


@pytest.fixture
def net(tally: dict[str, int], record_property: Callable[[str, object], None]) -> Iterator[Net]:
    """A net that must be empty in the end, and must have been used."""
    with Net().cast() as cast:
        yield cast
    for channel, count in cast.grepped.items():
        tally[channel] = tally.get(channel, 0) + count
    record_property("outputs grepped", cast.total)
    assert cast.found == []
    assert cast.total > 0


@pytest.fixture(scope="session")
def _watch() -> Iterator[Watch]:
    watch, log = Watch(), logging.getLogger("asyncchat")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pipeline, "_run", watch.wrapping(Pipeline._run))
        patch.setattr(Pipeline, "_read", watch.wrapping_plain(Pipeline._read))
        log.addHandler(watch)
        yield watch
        log.removeHandler(watch)


@pytest.fixture(autouse=True)
def leaks(_watch: Watch) -> Iterator[list[str]]:
    """Where the calls of a test have shown a token of the suite: nowhere."""
    yield _watch.leaks
    found, _watch.leaks[:] = list(_watch.leaks), []
    assert found == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test whose captured output shows a token of the suite, unless it has failed anyway."""
    report = yield
    shown = [name for name, text in report.sections if any(mark in text for mark in MARKS)]
    if shown and report.passed and report.when == "teardown":
        report.outcome, report.longrepr = "failed", f"a token is in: {', '.join(shown)}"
    return report
