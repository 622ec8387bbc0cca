"""Listings of any length for the page server: the number in a path tells how many rows there are.

`/conversations/30000/messages` has 30,000 messages, `/models/2000/conversations` 2,000 conversations with six messages
inside each; `/models/1` is a model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from benchmarks.kit.made import Made, Make

_STAMP: Final = "2025-05-05T05:05:05+0700"
_MESSAGE: Final = (
    b'{"id":%d,"seq":"01JTFM%020d","sender":"user",'
    b'"message":"Good morning, order %d has not come yet. Can you tell me where it is?",'
    b'"created_at":"2025-05-05T05:05:05+0700"}'
)
_CONVERSATION: Final = (
    b'{"id":%d,"model_id":7,"model_name":"Support","created_at":"2025-05-05T05:05:05+0700",'
    b'"updated_at":"2025-05-06T05:05:05+0700","most_recent_message":%b,"recent_messages":[%b],'
    b'"platform":"web","platform_user_id":"u-%d"}'
)
_PAGE: Final = b'{"data":[%b],"page":%d,"rows_per_page":%d,"total_pages":%d,"total_rows":%d}'
_RECENT: Final = 5


def message(number: int) -> bytes:
    """A message."""
    return _MESSAGE % (number, number, number)


def conversation(number: int) -> bytes:
    """A conversation with five recent messages and the most recent one."""
    recent = [message(number * 10 + offset) for offset in range(_RECENT)]
    return _CONVERSATION % (number, recent[-1], b",".join(recent), number)


def page(make: Callable[[int], bytes], total: int, number: int, per_page: int) -> bytes:
    """A page of a listing with so many rows."""
    first, last = (number - 1) * per_page, min(number * per_page, total)
    rows = b",".join(map(make, range(first + 1, last + 1)))
    return _PAGE % (rows, number, per_page, -(-total // per_page), total)


def listings() -> Make:
    """What answers for listings."""
    makes = {"messages": message, "conversations": conversation}
    one = msgspec.json.encode({"id": 1, "name": "Support", "created_at": _STAMP})

    def make(target: str) -> Made:
        parts = urlsplit(target)
        names, asked = parts.path.split("/"), dict(parse_qsl(parts.query))
        if "page" not in asked:
            return Made(200, one)
        body = page(makes[names[-1]], int(names[-2]), int(asked["page"]), int(asked["per_page"]))
        return Made(200, body)

    return make
