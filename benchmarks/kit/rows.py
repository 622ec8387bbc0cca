"""Messages in memory, for destinations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Final

import msgspec

from asyncchat import RawRow
from asyncchat.export import Batch

OWNED: Final = 20
"""Messages of one conversation: so many come in a batch."""
ZONE: Final = timezone(timedelta(hours=7))
START: Final = datetime(2025, 5, 5, 10, tzinfo=ZONE)


def message(number: int) -> RawRow:
    """A message of usual length."""
    moment = START + timedelta(seconds=number)
    row = {
        "id": number,
        "seq": f"01HX{number:022}",
        "sender": "user",
        "message": f"Good morning, order {number} has not come yet. Can you tell me where it is? " * 2,
        "created_at": moment.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    return RawRow(id=number, created_at=moment, json=msgspec.json.encode(row))


def batches(count: int) -> Iterator[Batch]:
    """Messages by conversation."""
    for first in range(0, count, OWNED):
        yield Batch(kind="messages", rows=list(map(message, range(first, first + OWNED))), conversation_id=first)
