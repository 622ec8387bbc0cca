"""Exports of a server that moves while it is read: nothing lost, nothing twice, no certificate that is false.

Beside them, walks as they are written by hand: were they not to lose rows, the server would be too kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moving import ORDERS, PAST_ENDS, START, MovingServer, Order, Outcome, Traits, backwards, export, page_walk, read

from asyncchat.export.questions import Manner, Reading
from asyncchat.export.windows import Certificate, Span

SMALL, LARGE = 150, 10_000


def traits(seed: int) -> Traits:
    """The traits of a run: orders and ends take turns, the rest is drawn by lot."""
    rnd = Random(seed)  # noqa: S311 - a game
    per_page = rnd.choice([1, 3, 10, 10, 25, 100])
    return Traits(
        seed=seed,
        rows=min(rnd.choice([0, 1, 9, 10, 11, 60, 200, 400]), 40 * per_page),
        per_page=per_page,
        order=ORDERS[seed % len(ORDERS)],
        unstable=rnd.random() < 0.5,
        fractions=rnd.random() < 0.4,
        clump=rnd.choice([0, 0, 5, 40]),
        updates=rnd.choice([0.0, 0.3, 1.0]),
        deletions=rnd.choice([0.0, 0.0, 0.02, 0.2]),
        arrivals=rnd.choice([0.0, 0.5]),
        late=rnd.random() < 0.5,
        replica=rnd.choice([0.0, 0.0, 0.3]),
        past_end=PAST_ENDS[seed // len(ORDERS) % len(PAST_ENDS)],
        cap=rnd.choice([None, None, None, 20, 100]),
        faults=rnd.choice([0.0, 0.0, 0.1]),
    )


def check(told: Traits, outcome: Outcome) -> None:
    """What holds for every export, whatever the server does."""
    assert len(set(outcome.ids)) == len(outcome.ids), f"a row twice: {told}"
    assert not outcome.is_false, f"rows {sorted(outcome.missing)[:5]} are missing: {told}"


@pytest.mark.parametrize("count", [SMALL, pytest.param(LARGE, marks=pytest.mark.large)])
def test_nothing_is_lost(count: int) -> None:
    """Over all orders, ends, and lots: 0 rows lost or twice, 0 false certificates; the table tells what came of it."""
    figures: dict[str, Counter[str]] = {order: Counter() for order in ORDERS}
    for seed in range(count):
        told = traits(seed)
        outcome = export(MovingServer(told))
        check(told, outcome)
        row = figures[told.order]
        row["runs"] += 1
        row["uncertified"] += bool(outcome.doubts)
        row["lost"] += len(outcome.missing)
        row.update(certificate.value for certificate in outcome.certificates)
        for name, lost in naive(told):
            row[f"{name} lost"] += lost
    for order, row in figures.items():
        print(f"{order:>9} {dict(sorted(row.items()))}")  # noqa: T201 - shown by -rP
    total = sum(figures.values(), Counter())
    assert total["lost"] == 0
    assert total["walk lost"] > count
    assert total["backwards lost"] > count
    assert total["proud lost"] > count / 100
    assert {each.value for each in Certificate} - {Certificate.TAIL.value} <= total.keys()
    assert total["uncertified"] < count / 4


def naive(told: Traits) -> Iterator[tuple[str, int]]:
    """Rows that walks lose of the same server, and those lost while the count said that all was well."""
    walk = page_walk(MovingServer(told), "-updated")
    yield "walk", len(walk.missing)
    back = backwards(MovingServer(told), "-updated")
    yield "backwards", len(back.missing)
    yield "proud", sum(len(each.missing) for each in (walk, back) if each.is_false)


@given(
    st.builds(
        Traits,
        seed=st.integers(0, 2**32),
        rows=st.integers(0, 150),
        per_page=st.sampled_from([1, 2, 7, 30]),
        order=st.sampled_from(ORDERS),
        unstable=st.booleans(),
        fractions=st.booleans(),
        clump=st.sampled_from([0, 30]),
        updates=st.sampled_from([0.0, 1.0]),
        deletions=st.sampled_from([0.0, 0.3]),
        replica=st.sampled_from([0.0, 0.5]),
        past_end=st.sampled_from(PAST_ENDS),
        cap=st.sampled_from([None, 10, 50]),
        faults=st.sampled_from([0.0, 0.2]),
    )
)
def test_whatever_it_does(told: Traits) -> None:
    """Any mixture of traits: nothing lost without a doubt, nothing twice."""
    check(told, export(MovingServer(told)))


HOT = Traits(seed=1, rows=100, clump=100, per_page=3, order="random", unstable=True)
"""All rows in one second, in another order each time."""


def test_a_second_in_no_order() -> None:
    """It is read until nothing new comes, and every row asked for: then it is proved."""
    for seed in range(5):
        outcome = export(MovingServer(attrs.evolve(HOT, seed=seed)))
        assert (outcome.missing, outcome.doubts) == (frozenset(), 0)
        assert Certificate.CONFIRMED in outcome.certificates


def test_a_second_that_is_counted_no_further() -> None:
    """Nothing can be proved; but no row is left out, and the report says that it might be."""
    for order in ORDERS:
        outcome = export(MovingServer(attrs.evolve(HOT, order=order, cap=20)))
        assert outcome.doubts == 1
        assert len(outcome.missing) <= (3 if order == "random" else 0)


def test_a_server_that_makes_up_rows() -> None:
    """One that has new rows for ever in a second is left, with a doubt, after so many readings."""

    class Endless(MovingServer):
        def _state(self) -> Iterator[Any]:
            self._add(START + 1_000.0)
            return super()._state()

    server = Endless(attrs.evolve(HOT, per_page=10))
    second = Span(START + 1_000, START + 1_000)
    found = read(server, second, Manner(oldest=START, overlap=False, confirms=True))
    assert isinstance(found, Reading)
    assert found.certificate is None
    assert server.requests < 5_000


# ---- requests

CALM = Traits(seed=1, per_page=100)


@pytest.mark.parametrize("rows", [5_000, *(pytest.param(rows, marks=pytest.mark.large) for rows in (40_000, 300_000))])
@pytest.mark.parametrize("clump", [0.0, 0.3])
def test_requests_of_calm_data(rows: int, clump: float) -> None:
    """Within 1.05 times as many requests as there are pages; 1.06 where a third of all rows is in one second."""
    told = attrs.evolve(CALM, rows=rows, clump=int(rows * clump), order="id")
    outcome = export(MovingServer(told))
    check(told, outcome)
    ratio = outcome.requests / (rows / told.per_page)
    print(f"{rows:,} rows, {clump:.0%} in one second: {ratio:.3f} times rows/page")  # noqa: T201
    assert ratio <= (1.06 if clump else 1.05)


@pytest.mark.heavy
@pytest.mark.parametrize(("order", "most"), [("-created", 1.5), ("created", 1.5), ("-updated", 3.0), ("random", 6.0)])
def test_requests_of_live_data(order: Order, most: float) -> None:
    """With ten updates a second, arrivals and deletions: at most 1.5 times the pages of a server that sorts by time."""
    ratios = []
    for seed in range(3):
        told = attrs.evolve(
            CALM, seed=seed, rows=4_050, order=order, updates=1.0, arrivals=0.3, deletions=0.002, unstable=True
        )
        outcome = export(MovingServer(told))
        check(told, outcome)
        ratios.append(outcome.requests / (told.rows / told.per_page))
    print(f"{order}: {sorted(ratios)[1]:.2f} times rows/page, at most {max(ratios):.2f}")  # noqa: T201
    assert sorted(ratios)[1] <= most
