"""The script: which request a fault strikes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from attrs import asdict
from sandbox_wire import control, get

from asyncchat.sandbox import Fault, Sandbox
from asyncchat.sandbox.mishaps.faults import read_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAKY = (Fault("status", status=503, probability=0.3), Fault("invalid-json", probability=0.3))


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(conversations=40, seed=4) as running:
        yield running


@pytest.fixture
def box(shared: Sandbox) -> Iterator[Sandbox]:
    yield shared
    shared.clear_faults()


async def statuses(box: Sandbox, *paths: str) -> list[int]:
    return [(await get(box, path)).status for path in paths]


@pytest.mark.asyncio
async def test_the_third_request_for_page_2(box: Sandbox) -> None:
    """A fault strikes the request that the script names, and no other one."""
    box.faults(Fault("status", status=502, path="/conversations", page=2, nth=3))
    two, other = "/conversations?page=2", "/conversations?page=3"
    assert await statuses(box, two, other, two, "/models?page=2", two, two, other) == [200] * 4 + [502, 200, 200]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("turns", "struck"),
    [
        ({}, [1, 1, 1, 1, 1]),
        ({"nth": 2}, [0, 1, 0, 0, 0]),
        ({"times": 2}, [1, 1, 0, 0, 0]),
        ({"nth": 3, "times": 2}, [0, 0, 1, 1, 0]),
        ({"probability": 0.0}, [0, 0, 0, 0, 0]),
    ],
)
async def test_whose_turn_it_is(box: Sandbox, turns: dict[str, Any], struck: list[int]) -> None:
    """`nth` and `times` say which of the matching requests are struck."""
    box.faults(Fault("status", status=500, **turns))
    assert await statuses(box, *["/models"] * 5) == [500 if one else 200 for one in struck]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("where", "paths"),
    [
        ({"path": "/models"}, ["/models", "/models?page=2"]),
        ({"path": "/models/{model_id}"}, ["/models/103"]),
        ({"path": "/models/103"}, ["/models/103"]),
        ({"page": 1}, ["/models", "/conversations?page=1"]),
        ({"page": 2}, ["/models?page=2"]),
        ({}, ["/models", "/models?page=2", "/models/103", "/conversations?page=1"]),
    ],
)
async def test_which_requests_match(box: Sandbox, where: dict[str, Any], paths: list[str]) -> None:
    """A fault is about a template, a path, a page, or everything; page 1 need not be named in the query."""
    box.faults(Fault("status", status=500, **where))
    asked = ["/models", "/models?page=2", "/models/103", "/conversations?page=1"]
    assert [path for path in asked if (await get(box, path)).status == 500] == paths


@pytest.mark.asyncio
async def test_the_first_fault_counts(box: Sandbox) -> None:
    """Of two faults that strike one request, the first one does; the second has seen it."""
    box.faults(Fault("status", status=502, times=1), Fault("status", status=503, nth=2))
    assert await statuses(box, "/models", "/models", "/models") == [502, 503, 200]


@pytest.mark.asyncio
async def test_what_became_of_it(box: Sandbox) -> None:
    """The script can be read, with what each fault has seen and struck."""
    box.faults(Fault("status", status=502, nth=2), Fault("empty", path="/conversations"))
    await statuses(box, "/models", "/models", "/models")
    assert [(played.seen, played.struck) for played in box.faults()] == [(3, 1), (0, 0)]
    assert (await control(box, "/faults")).json == [asdict(played) for played in box.faults()]


async def outcomes(requests: list[str], *, seed: int = 7, together: bool = False) -> list[tuple[str, Any]]:
    with Sandbox(conversations=40, seed=seed, faults=FLAKY) as box:
        if together:
            await asyncio.gather(*(get(box, path) for path in requests))
        else:
            await statuses(box, *requests)
        return sorted((entry.query, str(entry.fault)) for entry in box.requests())


@pytest.mark.asyncio
async def test_two_runs_are_alike() -> None:
    """The same seed, script and requests give the same faults, whether the requests race or not."""
    paths = [f"/conversations?page={page}" for page in range(1, 41)] * 2
    one = await outcomes(paths)
    assert one == await outcomes(paths)
    assert one == await outcomes(paths[::-1], together=True)
    assert {fault for _, fault in one} == {"None", "status", "invalid-json"}


@pytest.mark.asyncio
async def test_another_seed_gives_other_faults() -> None:
    """Chance hangs on the seed."""
    paths = [f"/conversations?page={page}" for page in range(1, 41)]
    assert await outcomes(paths) != await outcomes(paths, seed=8)


@pytest.mark.asyncio
async def test_a_repeated_request_has_its_own_chance() -> None:
    """A request that is struck is not struck for ever: sent again, it may pass."""
    with Sandbox(conversations=0, faults=[Fault("status", status=503, probability=0.5)]) as box:
        assert set(await statuses(box, *["/models"] * 40)) == {200, 503}


@pytest.mark.asyncio
async def test_a_new_start_begins_the_script_again() -> None:
    """After stop() and start() the first request is the first one again."""
    box = Sandbox(conversations=0, faults=[Fault("status", status=502, nth=1)])
    for _ in range(2):
        with box:
            assert await statuses(box, "/models", "/models") == [502, 200]


@pytest.mark.asyncio
async def test_faults_at_run_time(box: Sandbox) -> None:
    """`POST /_sandbox/faults` adds one fault or several, `DELETE` forgets them all."""
    await control(box, "/faults", "POST", {"kind": "status", "status": 502, "nth": 1})
    reply = await control(box, "/faults", "POST", [{"kind": "empty", "nth": 2}, {"kind": "status", "nth": 3}])
    assert [played["fault"]["kind"] for played in reply.json] == ["status", "empty", "status"]
    assert await statuses(box, "/models", "/models", "/models") == [502, 200, 500]
    assert (await control(box, "/faults", "DELETE")).json == []
    assert await statuses(box, "/models") == [200]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"kind": "gremlin"}, "gremlin"),
        ({"kind": "status", "stats": 500}, "stats"),
        ({"kind": "status", "status": 42}, "status"),
        ({"kind": "stamps", "value": "martian"}, "martian"),
        ({"kind": "row"}, "name"),
        ({}, "kind"),
        (7, "expected"),
        ([{"kind": "empty"}, {"kind": "status", "nth": 0}], "nth"),
    ],
)
async def test_a_fault_that_is_none(box: Sandbox, document: object, reason: str) -> None:
    """What is no fault is a 422 that says why, and adds nothing."""
    reply = await control(box, "/faults", "POST", document)
    assert (reply.status, box.faults()) == (422, [])
    assert reason in reply.json["message"].lower()


def test_a_body_that_is_no_json() -> None:
    """What is no JSON is no fault."""
    with pytest.raises(ValueError, match="must be JSON"):
        read_faults(b"{")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("reset", Fault("reset")),
        (
            "status,status=502,path=/conversations,page=2,nth=3",
            Fault("status", status=502, path="/conversations", page=2, nth=3),
        ),
        ("slow,seconds=0.5,probability=0.1", Fault("slow", seconds=0.5, probability=0.1)),
        ('body,nth=2,value={"a":1,"b":2}', Fault("body", nth=2, value='{"a":1,"b":2}')),
    ],
)
def test_a_fault_in_one_line(line: str, fault: Fault) -> None:
    """A fault can be written in one line, as on a command line."""
    assert Fault.parse(line) == fault


@pytest.mark.parametrize("line", ["", "gremlin", "status,stats=500", "status,nth=x", "status,kind=reset", "row"])
def test_a_line_that_is_no_fault(line: str) -> None:
    """A line that is no fault is refused with a reason."""
    with pytest.raises(ValueError, match=r"."):
        Fault.parse(line)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "status", "retry_after": "1\r\nX-Injected: 1"},
        {"kind": "redirect", "location": "/\n"},
        {"kind": "status", "probability": 1.5},
        {"kind": "status", "path": "conversations"},
        {"kind": "status", "path": "/v1/conversations"},
    ],
)
def test_a_senseless_fault(wrong: dict[str, Any]) -> None:
    """A fault that makes no sense is refused where it is made."""
    with pytest.raises(ValueError, match=r"."):
        Fault(**wrong)


def test_a_fault_survives_json() -> None:
    """A fault that is written as JSON can be read back."""
    fault = Fault("texts", value="osc-8", page=2, nth=3, times=4, probability=0.5)
    assert read_faults(json.dumps(asdict(fault)).encode()) == [fault]
