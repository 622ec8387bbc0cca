"""A client's life: closing, views on it, cancelled calls. No network."""

from __future__ import annotations

import asyncio

import pytest
from answers import answer, mock, model, no_tasks_left, page

from asyncchat import APIConnectionError, ConfigurationError, Request, Response, ServerError
from asyncchat.testing import json_response

pytestmark = pytest.mark.asyncio

OK = json_response(model(1))
DOWN = Response(status=500)


async def test_a_closed_client_refuses() -> None:
    """After `async with`, a call is a ConfigurationError, and the transport is closed."""
    client, transport = mock([OK])
    async with client:
        pass
    assert transport.closed
    with pytest.raises(ConfigurationError, match="this client is closed"):
        await client.models.get(1)
    assert transport.requests == []


async def test_closing_twice() -> None:
    """Closing a closed client does nothing."""
    client, _ = mock([])
    await client.aclose()
    await client.aclose()


async def test_calls_end_when_their_client_is_closed() -> None:
    """A call that is under way, and one that waits for its slot, end with an error, and send nothing any more."""
    started = asyncio.Event()

    async def handler(_: Request) -> Response:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    client, transport = mock(handler, max_concurrency=1)
    first, second = (asyncio.create_task(client.models.get(i)) for i in (1, 2))
    await started.wait()
    await client.aclose()
    for call, sent in ((first, True), (second, False)):
        with pytest.raises(APIConnectionError, match="the client was closed") as caught:
            await call
        assert caught.value.sent == sent
    assert len(transport.requests) == 1


async def test_a_view_shares_the_connections() -> None:
    """`with_options` changes options alone: closing a view closes nothing, closing the client closes its views."""
    client, transport = mock([DOWN, OK])
    async with client.with_options(retry=0) as view:
        with pytest.raises(ServerError):
            await view.models.get(1)
    assert not transport.closed
    assert (await client.models.get(1)).id == 1
    await client.aclose()
    with pytest.raises(ConfigurationError):
        await view.models.get(1)


async def test_a_view_keeps_other_options() -> None:
    """What is not given to a view stays as it was; hooks are added."""
    told: list[str] = []
    client, transport = mock([answer(page([]))], per_page=7, hooks=[lambda _: told.append("first")])
    view = client.with_options(timeout=None, hooks=[lambda _: told.append("second")])
    await view.models.list()
    assert (view.per_page, dict(transport.requests[0].params)["per_page"]) == (7, "7")
    assert told == ["first", "second"] * 2


@pytest.mark.parametrize("point", range(6))
async def test_a_cancelled_call_leaves_the_client_usable(point: int) -> None:
    """A call cancelled at any turn of the loop gives its slot back: the next call works."""

    async def handler(_: Request) -> Response:
        await asyncio.sleep(0)
        return DOWN if len(transport.requests) == 1 else OK

    client, transport = mock(handler, max_concurrency=1)
    call = asyncio.create_task(client.models.get(1))
    for _i in range(point):
        await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert (await client.models.get(2)).id == 1
    await no_tasks_left()


async def test_a_script_that_is_too_short() -> None:
    """A mock that has no answer left says so."""
    client, _ = mock([])
    with pytest.raises(AssertionError, match="the script has no answer left for Request"):
        await client.models.get(1)
