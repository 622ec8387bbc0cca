"""A server that lives while it is synced, in memory and without a clock: things happen between any two answers.

Messages come, some of them visible late; conversations begin, change twice in a second, and go; the clock is set back
and forth; answers come from a replica that lags behind. What syncs may rely on, and the server keeps to: a change
moves `updated_at` to the clock's time or leaves it where it is later, and is visible everywhere after `LATE` seconds
and the replica's `BEHIND`; the clock is set at most once between two looks at it, and by less than half of what is
read again.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from random import Random
from typing import Any, Final, Literal, TypeAlias

import attrs
from attrs import frozen

from asyncchat import AsyncClient, Request, Response
from asyncchat.testing import FakeClock, MockTransport

Order: TypeAlias = Literal["time", "-time", "id", "-id", "random"]
ORDERS: Final[tuple[Order, ...]] = ("time", "-time", "id", "-id", "random")

START: Final = 1_700_000_000
LATE: Final = 3.0
BEHIND: Final = 2.0
MOST: Final = 1_000
"""Things that happen in a history."""

_PATHS: Final = {
    "models": re.compile(r"/models"),
    "conversations": re.compile(r"/conversations"),
    "messages": re.compile(r"/conversations/(\d+)/messages"),
    "conversation": re.compile(r"/conversations/(\d+)"),
    "model": re.compile(r"/models/(\d+)"),
}


@frozen(kw_only=True)
class Life:
    """How the server is, and how much happens."""

    seed: int
    conversations: int = 40
    order: Order = "-time"
    messages_order: Order = "time"
    recent: int = 5
    fractions: bool = False
    busy: float = 0.0
    late: float = 0.0
    replica: float = 0.0
    faults: float = 0.0
    deletions: float = 0.0
    steps: float = 0.0
    lies: float = 0.0
    nulls: float = 0.0


@frozen
class Message:
    """A message."""

    id: int
    created: float

    def to_json(self) -> dict[str, Any]:
        text = f"message {self.id}"
        return {
            "id": self.id,
            "seq": f"{self.id:026}",
            "sender": "user",
            "message": text,
            "created_at": stamp(self.created),
        }


@frozen(kw_only=True)
class Conversation:
    """A conversation, as it is at some time."""

    id: int
    model_id: int
    created: float
    updated: float
    user: str = "u"
    messages: tuple[Message, ...] = ()

    @property
    def ordered(self) -> list[Message]:
        return sorted(self.messages, key=lambda each: (each.created, each.id))


State: TypeAlias = dict[int, Conversation]


def stamp(second: float) -> str:
    return datetime.fromtimestamp(math.floor(second), UTC).isoformat()


class LivingApi:
    """The API of such a server."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.rnd = Random(self.life.seed)  # noqa: S311 - a game
        self.real, self.offset = float(START + 10_000), 0.0
        self.ids = itertools.count(1)
        self.state: State = {}
        self.before: list[tuple[float, State]] = []
        self.coming: list[tuple[float, int, Callable[[], None]]] = []
        self.is_quiet = False
        self.may_step = self.is_told = True
        self.left = MOST
        self.requests = 0
        self.asked: Callable[[], None] = lambda: None
        self.answer: Callable[[Request], Response | None] = lambda _request: None
        for _ in range(self.life.conversations):
            began = START + self.rnd.random() * 9_000
            row_id = next(self.ids)
            times = [began + self.rnd.random() * 800 for _ in range(self.rnd.randrange(9))]
            messages = tuple(Message(next(self.ids), self._grain(each)) for each in times)
            updated = max([self._grain(began), *(each.created for each in messages)])
            self.state[row_id] = Conversation(
                id=row_id, model_id=1, created=self._grain(began), updated=updated, messages=messages
            )

    @property
    def now(self) -> float:
        return self.real + self.offset

    def _grain(self, second: float) -> float:
        return math.floor(second) + (self.rnd.random() if self.life.fractions else 0.0)

    # ---- what happens

    def live(self, seconds: float, happenings: int) -> None:
        """Let time pass, and so much happen meanwhile."""
        for at in sorted(self.rnd.random() * seconds for _ in range(happenings)):
            del at
            self._pass(seconds / max(1, happenings))
            self.happen()
        if not happenings:
            self._pass(seconds)

    def _pass(self, seconds: float) -> None:
        self.real += seconds
        while self.coming and self.coming[0][0] <= self.real:
            heapq.heappop(self.coming)[2]()
        self.before = [each for each in self.before if each[0] > self.real - BEHIND]

    def happen(self) -> None:
        """Let one thing happen, while there is anything left to: else reading would never catch up with it."""
        self.left -= 1
        if self.left < 0:
            return
        dice = self.rnd.random()
        if self.may_step and dice < self.life.steps:
            self.may_step = self.is_told = False
            self.offset += self.rnd.choice([-1, 1]) * self.rnd.random() * 25
        elif not self.state or dice > 0.9:
            self._begin()
        elif dice > 0.8:
            self._edit()
        elif dice > 0.8 - self.life.deletions:
            del self.state[self._some()]
        else:
            self._say(self._some())

    def _some(self) -> int:
        ids = sorted(self.state)
        return self.rnd.choice(ids[-5:] if self.rnd.random() < 0.5 else ids)

    def _begin(self) -> None:
        now = self._grain(self.now)
        row_id = next(self.ids)
        self.state[row_id] = Conversation(id=row_id, model_id=1, created=now, updated=now)
        self._say(row_id)

    def _edit(self) -> None:
        row = self.state[self._some()]
        now = max(row.updated, self._grain(self.now)) if self.rnd.random() < 0.5 else self._grain(self.now)
        self.state[row.id] = attrs.evolve(row, user=f"u{next(self.ids)}", updated=now)

    def _say(self, row_id: int) -> None:
        message = Message(next(self.ids), self._grain(self.now))

        def show() -> None:
            row = self.state.get(row_id)
            if row is not None:
                is_late = self.real - made > 0.001
                updated = max(row.updated, message.created) if is_late else message.created
                self.state[row_id] = attrs.evolve(row, updated=updated, messages=(*row.messages, message))

        made = self.real
        if self.rnd.random() < self.life.late:
            heapq.heappush(self.coming, (self.real + self.rnd.random() * LATE, message.id, show))
        else:
            show()

    # ---- what is asked

    def __call__(self, request: Request) -> Response:
        self.requests += 1
        self.is_told = self.is_told or request.path == "/models"  # of the clock
        self.asked()
        told = self.answer(request)
        if told is not None:
            return told
        self._pass(self.rnd.random() * 0.2)
        if not self.is_quiet:
            if self.rnd.random() < 0.3:
                self.before.append((self.real, dict(self.state)))
            if self.rnd.random() < self.life.busy:
                self.happen()
            if self.rnd.random() < self.life.faults:
                return Response(status=502, body=b"")
        return self._answer(request, self._view())

    def _view(self) -> State:
        if not self.is_quiet and self.before and self.rnd.random() < self.life.replica:
            return self.rnd.choice(self.before)[1]
        return self.state

    def _answer(self, request: Request, state: State) -> Response:
        headers = {"Date": formatdate(math.floor(self.now), usegmt=True)}
        value = self._value(request, state)
        if value is None:
            return Response(status=404, body=b"{}", headers=headers)
        return Response(status=200, body=json.dumps(value).encode(), headers=headers)

    def _value(self, request: Request, state: State) -> Any:
        kind, row_id = next(
            (kind, int(found[1]) if found.groups() else 0)
            for kind, path in _PATHS.items()
            if (found := path.fullmatch(request.path))
        )
        asked = dict(request.params)
        model = {"id": 1, "name": "m", "created_at": stamp(START - 1)}
        if kind == "models":
            return self._page([model], asked, dict)
        if kind == "model":
            return model if row_id == 1 else None
        if kind == "conversations":
            return self._page(self._listed(state.values(), asked), asked, self._row)
        row = state.get(row_id)
        if row is None:
            return None
        if kind == "conversation":
            return self._row(row)
        ordered = self._sorted(row.ordered, self.life.messages_order, lambda each: each.created)
        return self._page(ordered, asked, Message.to_json)

    def _listed(self, rows: Iterable[Conversation], asked: Mapping[str, str]) -> list[Conversation]:
        time: Callable[[Conversation], float] = (
            (lambda row: row.updated) if asked.get("sort") == "updated_at" else (lambda row: row.created)
        )
        low, high = (
            datetime.fromisoformat(asked[name]).timestamp() if name in asked else None for name in ("since", "until")
        )
        wanted = [row for row in rows if (low is None or time(row) >= low) and (high is None or time(row) <= high)]
        return self._sorted(wanted, self.life.order, time)

    def _sorted(self, rows: list[Any], order: Order, time: Callable[[Any], float]) -> list[Any]:
        if order == "random":
            self.rnd.shuffle(rows)
            return rows
        key: Callable[[Any], Any] = (lambda row: row.id) if order.endswith("id") else (lambda row: (time(row), row.id))
        return sorted(rows, key=key, reverse=order.startswith("-"))

    def _page(self, rows: list[Any], asked: Mapping[str, str], render: Callable[[Any], Any]) -> dict[str, Any]:
        number, size = int(asked["page"]), int(asked["per_page"])
        return {
            "data": [render(row) for row in rows[(number - 1) * size : number * size]],
            "page": number,
            "rows_per_page": size,
            "total_pages": -(-len(rows) // size),
            "total_rows": len(rows),
        }

    def _row(self, row: Conversation) -> dict[str, Any]:
        last = row.ordered[-self.life.recent :]
        recent = [each.to_json() for each in last if each is last[-1] or not self._is_hidden(each)]
        fixed = Random(f"{self.life.seed} {row.id} {len(row.messages)}")  # noqa: S311 - the same each time
        shown = None if fixed.random() < self.life.nulls else recent
        return {
            "id": row.id,
            "model_id": row.model_id,
            "model_name": "m",
            "created_at": stamp(row.created),
            "updated_at": stamp(row.updated),
            "most_recent_message": recent[-1] if recent else None,
            "recent_messages": shown,
            "platform": "web",
            "platform_user_id": row.user,
        }

    def _is_hidden(self, message: Message) -> bool:
        """Whether a message is never among the recent ones, unless it is the last."""
        return Random(f"{self.life.seed} {message.id}").random() < self.life.lies  # noqa: S311

    # ---- what a copy must hold

    def client(self, **options: Any) -> AsyncClient:
        """A client of it, whose waits take no time."""
        return AsyncClient(transport=MockTransport(self, clock=FakeClock()), **options)

    def conversations(self) -> dict[int, tuple[Any, ...]]:
        """The conversations that there are now: user, second of the last change."""
        return {row.id: (row.user, math.floor(row.updated)) for row in self.state.values()}

    def messages(self) -> dict[int, int]:
        """The messages that there are now, each with its conversation."""
        return {each.id: row.id for row in self.state.values() for each in row.messages}
