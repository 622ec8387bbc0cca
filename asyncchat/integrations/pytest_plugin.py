"""Fixtures for the tests of those who use asyncchat; pytest finds them by itself once asyncchat is installed.

* `chat_sandbox`: a running `Sandbox`, one for the whole run, with 100 conversations;
* `chat_client`: a blocking `Client` of it;
* `async_chat_client`: an `AsyncClient` of it, for tests run by pytest-asyncio or by anyio's plugin.

A project that wants other chats overrides `chat_sandbox` in its conftest.py: both clients follow.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from asyncchat import AsyncClient, Client
    from asyncchat.sandbox import Sandbox


def _async_fixture() -> Callable[[Callable[..., AsyncIterator[Any]]], Any]:
    """The decorator of whichever plugin runs asynchronous fixtures; anyio's takes plain ones."""
    if importlib.util.find_spec("pytest_asyncio") is None:
        return pytest.fixture
    import pytest_asyncio  # noqa: PLC0415 - it may not be there

    return pytest_asyncio.fixture


@pytest.fixture(scope="session")
def chat_sandbox() -> Iterator[Sandbox]:
    """A sandbox that runs for the whole test run: 5 models, 100 conversations, always the same."""
    from asyncchat.sandbox import Sandbox  # noqa: PLC0415 - pytest loads this module for everybody

    with Sandbox(conversations=100) as box:
        yield box


@pytest.fixture
def chat_client(chat_sandbox: Sandbox) -> Iterator[Client]:
    """A blocking client of `chat_sandbox`, closed after the test."""
    from asyncchat import Client  # noqa: PLC0415

    with Client(chat_sandbox.base_url, token=chat_sandbox.token, auth=chat_sandbox.auth) as client:
        yield client


@_async_fixture()
async def async_chat_client(chat_sandbox: Sandbox) -> AsyncIterator[AsyncClient]:
    """An asynchronous client of `chat_sandbox`, closed after the test."""
    from asyncchat import AsyncClient  # noqa: PLC0415

    async with AsyncClient(chat_sandbox.base_url, token=chat_sandbox.token, auth=chat_sandbox.auth) as client:
        yield client
