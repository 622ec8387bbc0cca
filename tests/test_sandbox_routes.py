"""The six reads of the contract over a real socket."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from contract_shapes import ask, check_conversation, check_message, check_model, check_page, check_refusal, walk

from asyncchat.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(seed=7, models=3, conversations=120, max_per_page=50) as running:
        yield running


def longest(box: Sandbox) -> int:
    """The id of the conversation with the most messages."""
    return Counter(int(str(row["conversation_id"])) for row in box.truth("messages")).most_common(1)[0][0]


def rows(box: Sandbox, kind: Any) -> list[dict[str, Any]]:
    return list(box.truth(kind))


async def test_models_have_the_contracts_shape(box: Sandbox) -> None:
    """Every model has exactly the documented fields and types."""
    listed = [row async for row in walk(box, "/models", 2)]
    assert len(listed) == 3
    for row in listed:
        check_model(row)


async def test_conversations_have_the_contracts_shape(box: Sandbox) -> None:
    """Every conversation has exactly the documented fields and types, and so have the messages in it."""
    async for row in walk(box, "/conversations", 50):
        check_conversation(row)


async def test_messages_have_the_contracts_shape(box: Sandbox) -> None:
    """Every message has exactly the documented fields and types."""
    async for row in walk(box, f"/conversations/{longest(box)}/messages", 50):
        check_message(row)


async def test_one_model(box: Sandbox) -> None:
    """A model by its id is the row of the listing."""
    model = rows(box, "models")[1]
    reply = await ask(box, f"/models/{model['id']}")
    assert (reply.status, reply.body) == (200, model)


async def test_one_conversation(box: Sandbox) -> None:
    """A conversation by its id is the row of the listing."""
    conversation = rows(box, "conversations")[5]
    reply = await ask(box, f"/conversations/{conversation['id']}")
    assert (reply.status, reply.body) == (200, conversation)


@pytest.mark.parametrize("per_page", [1, 7, 50])
async def test_pages_hold_every_conversation_once(box: Sandbox, per_page: int) -> None:
    """A walk over all pages gives every conversation exactly once, whatever the size of a page."""
    listed = [row["id"] async for row in walk(box, "/conversations", per_page)]
    assert sorted(listed) == [row["id"] for row in rows(box, "conversations")]


async def test_pages_hold_every_message_once(box: Sandbox) -> None:
    """A walk over the messages of every conversation gives exactly the rows of the truth."""
    listed = [
        message | {"conversation_id": conversation["id"]}
        for conversation in rows(box, "conversations")
        async for message in walk(box, f"/conversations/{conversation['id']}/messages", 50)
    ]
    assert sorted(listed, key=lambda row: int(row["id"])) == rows(box, "messages")


async def test_a_models_conversations_are_its_own(box: Sandbox) -> None:
    """The listing under a model holds that model's conversations and all of them."""
    model_id = rows(box, "models")[0]["id"]
    listed = [row["id"] async for row in walk(box, f"/models/{model_id}/conversations", 20)]
    assert sorted(listed) == [row["id"] for row in rows(box, "conversations") if row["model_id"] == model_id]


async def test_conversations_come_by_time_and_id(box: Sandbox) -> None:
    """Conversations are ordered by created_at, then by id."""
    listed = [(row["created_at"], row["id"]) async for row in walk(box, "/conversations", 50)]
    assert listed == sorted(listed)


async def test_messages_come_oldest_first(box: Sandbox) -> None:
    """Messages are ordered by created_at, then by id."""
    listed = [(row["created_at"], row["id"]) async for row in walk(box, f"/conversations/{longest(box)}/messages", 50)]
    assert listed == sorted(listed)


async def test_recent_messages_are_the_last_five(box: Sandbox) -> None:
    """A conversation carries its last five messages, oldest first."""
    conversation_id = longest(box)
    listed = [row async for row in walk(box, f"/conversations/{conversation_id}/messages", 50)]
    conversation = (await ask(box, f"/conversations/{conversation_id}")).body
    assert conversation["recent_messages"] == listed[-5:]


async def test_defaults_of_a_listing(box: Sandbox) -> None:
    """Without parameters the first ten rows come."""
    body = (await ask(box, "/conversations")).body
    body["data"] = len(body["data"])
    assert body == {"data": 10, "page": 1, "rows_per_page": 10, "total_pages": 12, "total_rows": 120}


async def test_per_page_is_clamped(box: Sandbox) -> None:
    """More rows than max_per_page are not given, and rows_per_page says so."""
    body = (await ask(box, "/conversations?per_page=2147483647")).body
    assert (len(body["data"]), body["rows_per_page"], body["total_pages"]) == (50, 50, 3)


@pytest.mark.parametrize("page", [13, 2**31 - 1])
async def test_past_the_end(box: Sandbox, page: int) -> None:
    """A page past the end is empty and still tells the totals."""
    body = (await ask(box, f"/conversations?page={page}")).body
    assert body == {"data": [], "page": page, "rows_per_page": 10, "total_pages": 12, "total_rows": 120}


async def test_a_conversation_without_messages(box: Sandbox) -> None:
    """A conversation in which nobody wrote has a null, an empty list and an empty listing."""
    silent = next(row for row in rows(box, "conversations") if not row["recent_messages"])
    body = (await ask(box, f"/conversations/{silent['id']}/messages")).body
    check_page(body)
    assert (silent["most_recent_message"], body["data"], body["total_pages"]) == (None, [], 0)


@pytest.mark.parametrize("row_id", ["1", "-1", "0", str(2**63 - 1), str(2**63), "9" * 5000, "abc", "1.0", "%31x", ""])
@pytest.mark.parametrize("path", ["/models/{}", "/models/{}/conversations", "/conversations/{}/messages"])
async def test_unknown_ids(box: Sandbox, path: str, row_id: str) -> None:
    """An id that is unknown, or no int64 at all, is a 404 with a JSON body."""
    reply = await ask(box, path.format(row_id))
    assert reply.status == 404
    check_refusal(reply.body)


@pytest.mark.parametrize(
    "path", ["/", "/model", "/models/", "/models/1/messages", "/conversations/1/messages/1", "/x/1"]
)
async def test_unknown_paths(box: Sandbox, path: str) -> None:
    """A path that is not the contract's is a 404 with a JSON body."""
    reply = await ask(box, path)
    assert reply.status == 404
    check_refusal(reply.body)


async def test_paths_outside_the_prefix(box: Sandbox) -> None:
    """A path that is neither the API's nor the sandbox's own is a 404 that names the prefix."""
    reply = await ask(box, "/models", origin=box.origin)
    assert reply.status == 404
    assert "/v1" in reply.body["message"]


async def test_an_escaped_path_is_the_same_path(box: Sandbox) -> None:
    """Percent-encoded letters of a path mean those letters."""
    assert (await ask(box, "/m%6Fdels")).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def test_other_methods(box: Sandbox, method: str) -> None:
    """The API is read with GET only: anything else is a 405 that says so."""
    reply = await ask(box, "/models", method=method)
    assert (reply.status, reply.headers["Allow"]) == (405, "GET")


async def test_every_answer_is_numbered(box: Sandbox) -> None:
    """X-Request-Id counts the answers, good and bad alike."""
    numbers = [
        int((await ask(box, path)).headers["X-Request-Id"].removeprefix("req-"))
        for path in ("/models", "/nothing", "/models?page=0")
    ]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]


async def test_answers_are_compact_json(box: Sandbox) -> None:
    """A body is JSON in UTF-8 without spaces between its parts."""
    reply = await ask(box, "/models?per_page=1")
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.text.startswith('{"data":[{"id":')
