"""A small API in memory for exports: honest until a test says otherwise. And what an export has left on disk."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import define, field

from asyncchat import AsyncClient, Page, RawRow, Request, Response
from asyncchat.export import ExportReport, export
from asyncchat.testing import FakeClock, MockTransport

Row: TypeAlias = dict[str, Any]
Answer: TypeAlias = Response | Exception

START: Final = 1_746_000_000
"""The second at which made-up rows begin; the server's clock stands far behind it."""
DATE: Final = "Sun, 15 Jun 2025 15:06:40 GMT"

_MESSAGES: Final = re.compile(r"/conversations/(\d+)/messages")
_CONVERSATION: Final = re.compile(r"/conversations/(\d+)")
_OF_MODEL: Final = re.compile(r"/models/(\d+)/conversations")


def stamp(second: float) -> str:
    """A time as the API writes it, with a fraction if it has one."""
    moment = datetime.fromtimestamp(second, UTC)
    return moment.isoformat(timespec="milliseconds" if second % 1 else "seconds")


def raw(row_id: int, second: float = START, text: bytes = b"{}", updated: float | None = None) -> RawRow:
    """A row as pages of exports hold it."""
    changed = None if updated is None else datetime.fromtimestamp(updated, UTC)
    return RawRow(id=row_id, created_at=datetime.fromtimestamp(second, UTC), updated_at=changed, json=text)


def page(*rows: RawRow, total: int | None = None, pages: int = 1, size: int = 100) -> Page[RawRow]:
    """A page of rows."""
    count = len(rows) if total is None else total
    return Page(data=list(rows), page=1, rows_per_page=size, total_pages=pages, total_rows=count)


def conversation(row_id: int, second: float, *, model_id: int = 1) -> Row:
    """A conversation without recent messages."""
    return {
        "id": row_id,
        "model_id": model_id,
        "model_name": "m",
        "created_at": stamp(second),
        "updated_at": stamp(second),
        "most_recent_message": None,
        "recent_messages": [],
        "platform": "web",
        "platform_user_id": "u",
    }


def message(row_id: int, second: float = START) -> Row:
    """A message."""
    return {"id": row_id, "seq": "01", "sender": "user", "message": f"m{row_id}", "created_at": stamp(second)}


@define(kw_only=True)
class FakeApi:
    """Answers listings from rows in memory.

    Attributes:
        conversations: Rows of conversations; their messages are in `messages`, by conversation.
        hidden: Seconds that the filter uses for a row instead of the shown ones.
        envelope: Changes a page before it is sent.
        answer: Gives another answer to a request; None: the honest one.
        ignored: A filter that is not looked at.
        date: The header of that name, None for none.
        requests: What came, each as its path with its page.
    """

    conversations: list[Row] = field(factory=list)
    messages: dict[int, list[Row]] = field(factory=dict)
    models: list[Row] = field(factory=lambda: [{"id": 1, "name": "m", "created_at": stamp(START)}])
    hidden: dict[int, float] = field(factory=dict)
    envelope: Callable[[Request, dict[str, Any]], dict[str, Any]] = lambda _request, value: value
    answer: Callable[[Request], Answer | None] = lambda _request: None
    ignored: str = ""
    date: str | None = DATE
    indent: int | None = None
    requests: list[Request] = field(factory=list)

    @classmethod
    def of(cls, count: int, *, messages: int = 1, step: int = 10, **settings: Any) -> FakeApi:
        """So many conversations, some seconds apart, with so many messages each."""
        rows = [conversation(i, START + step * i) for i in range(1, count + 1)]
        told = {row["id"]: [message(row["id"] * 1_000 + i) for i in range(messages)] for row in rows}
        return cls(conversations=rows, messages=told, **settings)

    def __call__(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.answer(request) or self._one(request.path) or self._honest(request)

    def _one(self, path: str) -> Response | None:
        found = _CONVERSATION.fullmatch(path)
        rows = [row for row in self.conversations if found and row["id"] == int(found[1])]
        return Response(status=200, body=json.dumps(rows[0]).encode()) if rows else None

    def _honest(self, request: Request) -> Response:
        rows = self._rows(request.path)
        if rows is None:
            return Response(status=404, body=b'{"message": "there is none"}')
        asked = {name: value for name, value in request.params if name != self.ignored}
        rows = [row for row in rows if self._is_asked(row, asked)]
        number, size = int(asked["page"]), int(asked["per_page"])
        value = {
            "data": rows[(number - 1) * size : number * size],
            "page": number,
            "rows_per_page": size,
            "total_pages": -(-len(rows) // size),
            "total_rows": len(rows),
        }
        body = json.dumps(self.envelope(request, value), indent=self.indent).encode()
        return Response(status=200, body=body, headers={} if self.date is None else {"Date": self.date})

    def _rows(self, path: str) -> list[Row] | None:
        if path == "/models":
            return self.models
        if path == "/conversations":
            return self.conversations
        if found := _OF_MODEL.fullmatch(path):
            return [row for row in self.conversations if row["model_id"] == int(found[1])]
        found = _MESSAGES.fullmatch(path)
        return self.messages.get(int(found[1])) if found else None

    def _is_asked(self, row: Row, asked: dict[str, str]) -> bool:
        second = self.hidden.get(row["id"], datetime.fromisoformat(row["created_at"]).timestamp())
        low, high = (
            datetime.fromisoformat(asked[name]).timestamp() if name in asked else None for name in ("since", "until")
        )
        return (low is None or second >= low) and (high is None or second <= high)

    def client(self, **options: Any) -> AsyncClient:
        """A client of it, whose waits take no time."""
        return AsyncClient(transport=MockTransport(self, clock=FakeClock()), **options)

    def rows(self, kind: str) -> list[Row]:
        """What an export of everything must hold, by id."""
        owned = [{"conversation_id": owner} | row for owner, rows in self.messages.items() for row in rows]
        found = {"models": self.models, "conversations": self.conversations, "messages": owned}[kind]
        return sorted(found, key=lambda row: int(row["id"]))


def is_window(request: Request) -> bool:
    """Whether a request is for a page of a window of conversations, and not for a count."""
    asked = dict(request.params)
    return request.path == "/conversations" and (asked["page"], asked["per_page"]) != ("1", "1")


def exported(folder: Path, kind: str) -> list[Row]:
    """The rows in the part files of a kind, by id."""
    lines = [line for path in sorted((folder / kind).iterdir()) for line in path.read_bytes().split(b"\n")[:-1]]
    return sorted((json.loads(line) for line in lines), key=lambda row: int(row["id"]))


def drop_lines(folder: Path, kind: str, ids: set[int]) -> None:
    """Take rows out of the part files of a folder."""
    for path in (folder / kind).iterdir():
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(line for line in lines if json.loads(line)["id"] not in ids))


def left(folder: Path) -> list[str]:
    """Every path below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def kept(folder: Path) -> list[str]:
    """Every path below a folder that is not hidden as an export's that is under way."""
    return [path for path in left(folder) if ".asyncchat-partial" not in path.split("/")]


def touched(folder: Path) -> dict[Path, tuple[int, int]]:
    """Which file every path is, and when it was written to."""
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.rglob("*")}


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest, after a look at whether it tells the truth about the files."""
    value: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for part in value["parts"]:
        data = (folder / part["file"]).read_bytes()
        figures = (data.count(b"\n"), len(data), hashlib.sha256(data).hexdigest())
        assert figures == (part["rows"], part["size"], part["sha256"])
    named = {part["file"] for part in value["parts"]}
    assert {path for path in left(folder) if path.endswith(".jsonl")} == named
    for kind, rows in value["rows"].items():
        assert sum(part["rows"] for part in value["parts"] if part["file"].startswith(f"{kind}/")) == rows
    return value


BROKEN: Final = Response(status=500, body=b'{"message": "broken"}')
"""What a server says that fails."""


async def run(api: FakeApi, folder: Path, *, per_page: int = 5, **options: Any) -> ExportReport:
    """Export from it."""
    async with api.client(per_page=per_page) as client:
        return await export(client, folder, **options)


def asked(request: Request, name: str) -> int:
    """A number in a request's query."""
    return int(dict(request.params)[name])
