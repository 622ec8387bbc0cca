"""The loop rests while a blocking consumer works on what it was given, and is there at once for whoever needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from answers import Listing, model

from asyncchat import Client, Request
from asyncchat._sync import flow, rest
from asyncchat._sync.flow import keeps_interpreter
from asyncchat._sync.rest import Rest
from asyncchat.testing import MockTransport, json_response

PAGES = 100
FOREVER = 60.0


@pytest.fixture(autouse=True)
def long_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rest that nobody ends would not end in this test."""
    monkeypatch.setattr(rest, "LONGEST", FOREVER)
    monkeypatch.setattr(flow, "LONGEST", FOREVER)
    monkeypatch.setattr(flow, "keeps_interpreter", lambda _busy, _computed: True)


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each rest, whether the loop was needed all the same."""
    seen: list[bool] = []
    after = Rest.after

    def noted(self: Rest, give: Callable[[], None], *, unless: Callable[[], bool]) -> None:
        def is_needed() -> bool:
            seen.append(unless())
            return seen[-1]

        after(self, give, unless=is_needed)

    monkeypatch.setattr(Rest, "after", noted)
    return seen


@pytest.fixture
def chat() -> Iterator[Client]:
    """A client of a listing of many pages."""
    listing = Listing(PAGES * 5, most=5)

    def answer(request: Request) -> Any:
        return json_response(model(1)) if request.path == "/models/1" else listing(request)

    with Client(transport=MockTransport(answer), per_page=5) as chat:
        yield chat


def test_it_rests_and_goes_on(chat: Client, rests: list[bool]) -> None:
    """A quick consumer has the interpreter for itself for as long as it has rows."""
    assert sum(1 for _ in chat.models.list()) == PAGES * 5
    assert len(rests) > 1
    assert not any(rests)


def test_a_call_of_the_consumer_ends_a_rest(chat: Client, rests: list[bool]) -> None:
    """In the body of the loop, where nobody else would wake it."""
    assert [chat.models.get(1).id for _ in chat.models.list().pages()] == [1] * PAGES
    assert rests


def test_a_call_of_another_thread_ends_a_rest(chat: Client, rests: list[bool]) -> None:
    """Which may come at any time."""
    for _ in chat.models.list().pages():
        other = threading.Thread(target=chat.models.get, args=(1,))
        other.start()
        other.join()
    assert rests


def test_leaving_ends_a_rest(chat: Client, rests: list[bool]) -> None:
    """An iteration that is left, and a client that is closed, do not wait for it."""
    for number, _ in enumerate(chat.models.list().pages()):
        if rests and number > 10:
            break
    assert chat.models.get(1).id == 1


def test_it_does_not_rest_in_company(chat: Client, rests: list[bool]) -> None:
    """Two consumers need the loop, each while the other one works."""
    pairs = zip(chat.models.list(), chat.models.list(), strict=True)
    assert sum(1 for _ in pairs) == PAGES * 5
    assert any(rests)


def test_it_does_not_rest_where_it_waited_long(
    chat: Client, rests: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes its time is not to wait besides."""
    monkeypatch.setattr(flow, "LONGEST", 0.0)
    assert sum(1 for _ in chat.models.list()) == PAGES * 5
    assert not rests


@pytest.mark.parametrize(
    ("busy", "computed", "expected"),
    [(0.004, 0.004, True), (0.004, 0.001, False), (FOREVER, FOREVER, False), (0.0, 0.0, False)],
)
def test_for_whom_it_rests(busy: float, computed: float, expected: bool) -> None:
    """For a consumer that computes and is soon done: beside one that waits, for a disk or so, it can fetch."""
    assert keeps_interpreter(busy, computed) is expected


def test_a_rest_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should nobody come."""
    monkeypatch.setattr(rest, "LONGEST", 0.001)
    given: list[int] = []
    Rest().after(lambda: given.append(1), unless=lambda: False)
    assert given == [1]


def test_a_word_from_before_ends_no_rest() -> None:
    """Who came while the loop was needed all the same wakes it from no later rest."""
    resting, left = Rest(), []

    def is_needed() -> bool:
        resting.end()
        return True

    resting.after(lambda: None, unless=is_needed)
    left.append(resting._ends.qsize())
    resting.after(lambda: left.append(resting._ends.qsize()), unless=lambda: True)
    assert left == [1, 0]
