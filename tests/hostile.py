"""A sandbox that turns hostile, and what must hold of every error and of a client afterwards."""

from __future__ import annotations

import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from answers import no_tasks_left

from asyncchat import AsyncChatError, AsyncClient, RetryPolicy

if TYPE_CHECKING:
    from asyncchat.sandbox import Fault, Sandbox

TOKEN = "s3cr3t-token-of-a-test"
CONVERSATIONS = 60


def client_of(box: Sandbox, **options: Any) -> AsyncClient:
    """A client with 3 attempts that do not wait, and pages of 20 rows."""
    return AsyncClient(
        box.base_url,
        **{"token": TOKEN, "retry": RetryPolicy(attempts=3, backoff=0.0), "per_page": 20, "max_body": 2**20, **options},
    )


def counted(box: Sandbox) -> int:
    """Requests that the server has had."""
    number = box.stats()["requests"]
    assert isinstance(number, int)
    return number


def check_shown(error: AsyncChatError) -> None:
    """An error is plain data, shows no token, and keeps nothing alive that may hold one."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made on the line itself
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    shown = "".join(traceback.format_exception(error)) + f"{error} {error!r} {vars(error)} {pickle.dumps(error)!r}"
    assert TOKEN not in shown
    assert error.__cause__ is None
    assert error.__context__ is None, "its exception may hold the whole answer"


async def check_usable(box: Sandbox, chat: AsyncClient) -> None:
    """Once nothing goes wrong any more, the same client reads everything, and no task is left."""
    await no_tasks_left()
    box.clear_faults()
    rows = await chat.conversations.list().collect()
    assert len({row.id for row in rows}) == CONVERSATIONS
    await no_tasks_left()


def named(fault: Fault) -> str:
    """The id of a test about a fault."""
    known = (fault.kind, fault.status, fault.form, fault.name, fault.value[:20], fault.encoding)
    return " ".join(str(each) for each in known if each and each not in {"json", "gzip"})


async def failure_of(box: Sandbox, fault: Fault, **options: Any) -> tuple[AsyncChatError, int]:
    """What a listing ends with under a fault, and after how many requests."""
    before = counted(box)
    box.faults(fault)
    async with client_of(box, **options) as chat:
        with pytest.raises(AsyncChatError) as caught:
            await chat.conversations.list().collect()
        sent = counted(box) - before
        check_shown(caught.value)
        await check_usable(box, chat)
    return caught.value, sent


async def ids_under(box: Sandbox, *faults: Fault, **options: Any) -> tuple[list[int], int]:
    """The ids that a listing brings under faults, and the number of requests."""
    before = counted(box)
    box.faults(*faults)
    async with client_of(box, **options) as chat:
        ids = [row.id async for row in chat.conversations.list()]
        sent = counted(box) - before
        await check_usable(box, chat)
    return ids, sent


def truth(box: Sandbox) -> set[int]:
    """The ids of all conversations."""
    return {int(str(row["id"])) for row in box.truth("conversations")}
