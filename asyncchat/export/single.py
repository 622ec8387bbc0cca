"""Reads single rows, and leaves them as they were sent."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Annotated, Final

import msgspec

from asyncchat import AsyncClient, DecodeError, RawRow, Request, Response


class _Head(msgspec.Struct, gc=False):
    id: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    created_at: Annotated[datetime, msgspec.Meta(tz=True)]
    updated_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


_HEAD: Final = msgspec.json.Decoder(_Head)
_BOM: Final = b"\xef\xbb\xbf"


def to_row(text: bytes) -> RawRow:
    """A row of its JSON.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: It is not in the agreed shape.
    """
    text.decode()  # what is passed on unread is UTF-8 at least
    head = _HEAD.decode(text)
    return RawRow(id=head.id, created_at=head.created_at, updated_at=head.updated_at, json=text)


async def get_row(client: AsyncClient, kind: str, row_id: int) -> tuple[RawRow, float | None]:
    """A row by its id, and the server's clock when it was told, in seconds since the epoch; None: it does not tell.

    Args:
        client: Where to ask.
        kind: "models" or "conversations".
        row_id: Its id.

    Raises:
        NotFoundError: There is none.
        AsyncChatError: The call failed.
    """

    def read(response: Response) -> tuple[RawRow, float | None]:
        return _read(response, row_id), response.date

    return await client.call(Request("GET", f"/{kind}/{row_id}"), read)


def _read(response: Response, row_id: int) -> RawRow:
    response.json()  # refuses what is none, as something that may come right the next time
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        row = to_row(response.body.removeprefix(_BOM))
        if row.id == row_id:
            return row
    raise DecodeError(
        f"the answer is not the row {row_id} in the agreed shape: it needs that id, and times with an offset",
        paths=("$",),
        status=response.status,
    )
