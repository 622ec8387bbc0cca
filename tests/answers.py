"""Made-up answers of the API for tests without a network, and what holds of any client after use."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from attrs import define, field

from asyncchat import AsyncClient, Request, Response
from asyncchat.testing import FakeClock, MockTransport, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncchat import AsyncPager, Model

STAMP = "2025-05-05T05:05:05+0700"


def model(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": number, "name": f"model {number}", "created_at": STAMP} | changes


def message(number: int, **changes: Any) -> dict[str, Any]:
    row = {"id": number, "seq": "01JTF4Z7X1", "sender": "user", "message": f"text {number}", "created_at": STAMP}
    return row | changes


def conversation(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "id": number,
        "model_id": 1,
        "model_name": "model 1",
        "created_at": STAMP,
        "updated_at": STAMP,
        "most_recent_message": message(number * 10),
        "recent_messages": [message(number * 10), message(number * 10 + 1)],
        "platform": "web",
        "platform_user_id": f"u-{number}",
    }
    return row | changes


def page(rows: Sequence[Any], **changes: Any) -> dict[str, Any]:
    envelope = {"data": list(rows), "page": 1, "rows_per_page": 100, "total_pages": 1, "total_rows": len(rows)}
    return envelope | changes


def answer(value: Any) -> Response:
    return Response(status=200, body=value if isinstance(value, bytes) else json.dumps(value).encode())


def mock(answers: Any, *, clock: FakeClock | None = None, **options: Any) -> tuple[AsyncClient, MockTransport]:
    """A client over answers, and what it sends."""
    transport = MockTransport(answers, clock=clock)
    return AsyncClient(transport=transport, **options), transport


@define
class Listing:
    """A listing of models served page by page; `changed` may give another answer for a page."""

    total: int
    changed: Callable[[int, dict[str, Any]], Any] = lambda _number, value: value
    most: int = 1_000
    asked: list[int] = field(factory=list)
    in_flight: int = 0
    peak: int = 0

    async def __call__(self, request: Request) -> Any:
        params = dict(request.params)
        number, size = int(params["page"]), min(int(params["per_page"]), self.most)
        self.asked.append(number)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(0)
        finally:
            self.in_flight -= 1
        ids = range(1 + (number - 1) * size, 1 + min(number * size, self.total))
        value = page(
            [model(i) for i in ids],
            page=number,
            rows_per_page=size,
            total_pages=-(-self.total // size),
            total_rows=self.total,
        )
        found = self.changed(number, value)
        return found if isinstance(found, Response | Exception) else json_response(found)


def pager_of(listing: Listing, **options: Any) -> AsyncPager[Model]:
    client, _ = mock(listing, retry=0)
    return client.models.list(**{"per_page": 10, **options})


async def ids(pager: AsyncPager[Any]) -> list[int]:
    return [row.id async for row in pager]


def numbers(last: int) -> list[int]:
    return list(range(1, last + 1))


async def no_tasks_left(*, but: int = 0) -> None:
    """Wait until no task but this one and so many is left: an ended generator is closed by a task of its own."""
    for _ in range(2_000):
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if len(others) <= but:
            return
        await asyncio.sleep(0 if len(others) < 2 + but else 0.001)
    raise AssertionError(f"tasks are left: {others}")


async def hang(_: Request) -> Response:
    await asyncio.Event().wait()
    raise AssertionError
