"""Clients over time: forgotten, closed twice or too early, in another loop or process, and used for long."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from answers import model, no_tasks_left
from cancelling import PATIENCE, lines
from rawserver import GET, http, serving

from asyncchat import APIConnectionError, AsyncClient, ConfigurationError
from asyncchat.testing import MockTransport, json_response

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def run(code: str, *flags: str) -> str:
    """Run a program to its end; it must succeed. Gives what it said, errors after a line of dashes."""
    paths = [str(Path(__file__).parent), *filter(None, sys.path)]
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, *flags, "-c", code],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.returncode == 0, done.stderr
    return f"{done.stdout}---\n{done.stderr}"


# ---- closing


@pytest.mark.asyncio
async def test_closing_twice() -> None:
    """A client may be closed twice, used or not."""
    async with serving(http()) as server:
        chat = AsyncClient(server.base_url, token="t0ken")
        await chat.request(GET)
        for _ in range(2):
            await chat.aclose()
    unused = AsyncClient("https://host.example", token="t0ken")
    for _ in range(2):
        await unused.aclose()


@pytest.mark.asyncio
async def test_use_after_closing() -> None:
    """A closed client says that it is closed, at each call, also when it is entered again."""
    async with serving(http()) as server:
        chat = AsyncClient(server.base_url, token="t0ken")
        async with chat:
            await chat.request(GET)
        for call in (
            lambda: chat.request(GET),
            lambda: chat.models.list().collect(),
            chat.with_options(retry=0).models.list().count,
        ):
            with pytest.raises(ConfigurationError, match="closed"):
                await call()
        async with chat:
            with pytest.raises(ConfigurationError, match="closed"):
                await chat.request(GET)
    assert len(server.heads) == 1


@pytest.mark.asyncio
async def test_entering_twice() -> None:
    """Inside of itself a client may be entered again; the inner end closes it."""
    async with AsyncClient(transport=MockTransport([json_response(model(1))])) as chat:
        async with chat:
            assert (await chat.models.get(1)).id == 1
        with pytest.raises(ConfigurationError, match="closed"):
            await chat.models.get(1)


@pytest.mark.asyncio
async def test_closing_during_calls() -> None:
    """Calls that wait for an answer when the client is closed end at once, with an error that says so."""
    async with lines() as server:
        server.stuck = True
        chat = AsyncClient(server.base_url, token="t0ken")
        calls = [asyncio.create_task(chat.models.get(1)) for _ in range(5)]
        async with asyncio.timeout(PATIENCE):
            while server.open < 5:  # noqa: ASYNC110 - they come in some turns
                await asyncio.sleep(0)
            await server.reached.wait()
            await chat.aclose()
            ended = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in ended} <= {APIConnectionError, ConfigurationError}
        assert all("the client was closed" in str(error) or "is closed" in str(error) for error in ended)
        await server.idle()
    await no_tasks_left()


@pytest.mark.asyncio
async def test_closing_while_connecting() -> None:
    """A call that is about to connect when the client is closed ends, and leaves no connection."""
    async with lines() as server:
        for turns in range(8):
            chat = AsyncClient(server.base_url, token="t0ken", retry=0)
            call = asyncio.create_task(chat.models.get(1))
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(PATIENCE):
                await chat.aclose()
                with contextlib.suppress(APIConnectionError, ConfigurationError):
                    await call
            await server.idle()
    await no_tasks_left()


# ---- forgetting to close


@pytest.mark.parametrize("debug", [False, True])
def test_forgetting_it_in_a_loop_that_is_closed(debug: bool) -> None:
    """A client that outlives its loop gives one warning of ours, which names the fix, and nothing fails."""
    held: list[AsyncClient] = []

    async def main() -> None:
        async with serving(http()) as server:
            held.append(AsyncClient(server.base_url, token="t0ken"))
            await held[0].request(GET)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(main(), debug=debug)
        held.clear()
        gc.collect()
    ours = [str(warning.message) for warning in caught if "asyncchat" in str(warning.message)]
    assert len(ours) == 1
    assert "async with AsyncClient" in ours[0]
    assert {warning.category for warning in caught} == {ResourceWarning}


AT_EXIT = """
import asyncio
from asyncchat import AsyncClient
from rawserver import serving, http, GET

async def main():
    async with serving(http()) as server:
        chat = AsyncClient(server.base_url, token="t0ken")
        await chat.request(GET)
        return chat

{how}
print("done")
"""


@pytest.mark.parametrize(
    "how", ["chat = asyncio.run(main())", "asyncio.run(main())", "import sys; sys.x = asyncio.run(main())"]
)
@pytest.mark.parametrize("flags", [(), ("-W", "always::ResourceWarning"), ("-X", "dev")])
def test_forgetting_it_at_exit(how: str, flags: tuple[str, ...]) -> None:
    """An interpreter that ends with an open client ends quietly, or with warnings if they are asked for."""
    said = run(AT_EXIT.format(how=how), *flags)
    assert said.startswith("done\n---\n")
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    assert flags or said == "done\n---\n"


def test_leaving_in_the_middle_of_calls() -> None:
    """An interpreter that ends in the middle of calls ends without a traceback."""
    code = AT_EXIT.replace(
        "        return chat", "        asyncio.create_task(chat.request(GET)); await asyncio.sleep(0)"
    )
    said = run(code.format(how="asyncio.run(main())"))
    assert said.startswith("done\n---\n")
    assert "Traceback" not in said


# ---- another process

FORKED = """
import asyncio, gc, os
from asyncchat import AsyncClient, ConfigurationError
from asyncchat.sandbox import Sandbox

async def child(chat):
    try:
        await chat.models.list().count()
    except ConfigurationError as error:
        return "another process" in str(error)
    finally:
        await chat.aclose()

with Sandbox(conversations=5) as box:
    loop = asyncio.new_event_loop()
    chat = AsyncClient(box.base_url, token=box.token)
    count = lambda: loop.run_until_complete(chat.models.list().count())
    count()
    pid = os.fork()
    if pid == 0:
        {child}
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), [count() for _ in range(3)])
    loop.run_until_complete(chat.aclose())
    loop.close()
"""
IN_CHILD = {
    "in a loop of its own": "os._exit(0 if asyncio.run(child(chat)) else 9)",
    "in the same loop": "os._exit(0 if loop.run_until_complete(child(chat)) else 9)",
    "dropped": "del chat; gc.collect(); os._exit(0)",
}


@needs_fork
@pytest.mark.parametrize("how", IN_CHILD)
def test_a_forked_child(how: str) -> None:
    """A client that was used before a fork says so in the child, and goes on in the parent on its connections."""
    assert run(FORKED.format(child=IN_CHILD[how]), "-W", "ignore") == "0 [5, 5, 5]\n---\n"


UNUSED = """
import asyncio, os, warnings
from asyncchat import AsyncClient
from asyncchat.sandbox import Sandbox
warnings.simplefilter("ignore", DeprecationWarning)

async def count(chat):
    async with chat:
        return await chat.models.list().count()

with Sandbox(conversations=5) as box:
    chat = AsyncClient(box.base_url, token=box.token)
    pid = os.fork()
    if pid == 0:
        os._exit(asyncio.run(count(chat)))
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), asyncio.run(count(chat)))
"""


@needs_fork
def test_a_client_that_is_used_after_the_fork_only() -> None:
    """A client that was made, but not used, before a fork works in both processes."""
    assert run(UNUSED) == "5 5\n---\n"
