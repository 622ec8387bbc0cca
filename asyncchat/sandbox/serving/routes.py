"""Routes: the six reads of the contract, from a call to an answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import unquote

from attrs import evolve, frozen

from asyncchat._types import MAX_ID
from asyncchat.sandbox.data.query import PAGED, SORTED, TIMED, Problem, Query, parse_query
from asyncchat.sandbox.data.rows import joined
from asyncchat.sandbox.data.select import View
from asyncchat.sandbox.serving.answers import Answer, Call, ok, refusal, wrong_method
from asyncchat.sandbox.serving.pages import Pages

if TYPE_CHECKING:
    from asyncchat.sandbox.behaviour import Behaviour
    from asyncchat.sandbox.data.generate import Plan
    from asyncchat.sandbox.data.live import Live
    from asyncchat.sandbox.data.store import Listing, Store
    from asyncchat.sandbox.serving.current import Current

PREFIX: Final = "/v1"
UNKNOWN: Final = "unknown"
"""The template of a path that is none of the contract's."""

_ID: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_TEMPLATES: Final[Mapping[tuple[str, ...], str]] = MappingProxyType(
    {
        ("models",): "/models",
        ("models", "*"): "/models/{model_id}",
        ("models", "*", "conversations"): "/models/{model_id}/conversations",
        ("conversations",): "/conversations",
        ("conversations", "*"): "/conversations/{conversation_id}",
        ("conversations", "*", "messages"): "/conversations/{conversation_id}/messages",
    }
)


@frozen
class Target:
    """What a path means: its template in the contract, and the id in it as it was written."""

    template: str
    written_id: str = ""


def resolve(path: str) -> Target:
    """Find what a path under the prefix means.

    Args:
        path: As sent, such as `/v1/models/7`.
    """
    parts = [unquote(part) for part in path.removeprefix(PREFIX).split("/")[1:]]
    written = parts[1] if len(parts) > 1 else ""
    template = _TEMPLATES.get(tuple("*" if place == 1 else part for place, part in enumerate(parts)), UNKNOWN)
    return Target(template, written)


def parse_id(text: str) -> int | None:
    """Read an int64; None: it is none, so that no row can have it."""
    if not _ID.fullmatch(text):
        return None
    number = int(text)
    return number if -MAX_ID - 1 <= number <= MAX_ID else None


_Handler: TypeAlias = Callable[["Store", int, Call], Answer]


class Api:
    """The contract's operations over rows that may change.

    Args:
        live: Where the rows are.
        current: How to behave; read afresh at each call.
        plan: Where chance comes from.
    """

    def __init__(self, live: Live, current: Current, plan: Plan) -> None:
        self._live = live
        self._current = current
        self._shuffles = plan.chance("ties")
        self._pages = Pages()
        self._handlers: Mapping[str, _Handler] = {
            "/models/{model_id}": lambda store, row_id, _: _row(store, "models", row_id),
            "/models/{model_id}/conversations": self._model_conversations,
            "/conversations/{conversation_id}": lambda store, row_id, _: _row(store, "conversations", row_id),
            "/conversations/{conversation_id}/messages": self._messages,
        }

    def answer(self, call: Call) -> Answer:
        """Answer a call whose token is right, dated by the sandbox's clock.

        An id that is unknown, or no int64 at all, is a 404: there is no such thing.
        """
        store = self._live.reader()
        if self._current.behaviour.prerendered:
            state = (self._live.version, self._current.behaviour)
            answer = self._pages.answer(call, id(store), state, lambda call: self._make(store, call))
        else:
            answer = self._make(store, call)
        return evolve(answer, headers={**answer.headers, "Date": self._live.clock.date()})

    def _make(self, store: Store, call: Call) -> Answer:
        target = resolve(call.path)
        if target.template == UNKNOWN:
            return refusal(404, f"there is no {call.path} here: see the six reads of the API's reference")
        if call.method != "GET":
            return wrong_method(call.method, "GET")
        if target.template == "/models":
            return self._list(call, TIMED, store.models)
        if target.template == "/conversations":
            return self._list(call, SORTED, store.conversations)
        row_id = parse_id(target.written_id)
        if row_id is None:
            return _no_such("row", target.written_id)
        return self._handlers[target.template](store, row_id, call)

    def _list(self, call: Call, accepted: frozenset[str], read: Callable[[Query, View], Listing]) -> Answer:
        query = parse_query(call.query, accepted)
        if not isinstance(query, Query):
            return _unprocessable(query)
        behaviour = self._current.behaviour
        query = query.clamped(behaviour.max_per_page)
        listing = read(query, self._view(behaviour))
        if behaviour.past_end == "404" and query.page > 1 and not listing.bodies:
            return refusal(404, f"there is no page {query.page}")
        return ok(_envelope(query, listing, behaviour.count_cap))

    def _view(self, behaviour: Behaviour) -> View:
        shuffle = self._shuffles.getrandbits(30) + 1 if behaviour.unstable_ties else None
        return View(behaviour.order, shuffle, behaviour.fractions)

    def _model_conversations(self, store: Store, model_id: int, call: Call) -> Answer:
        if not store.has("models", model_id):
            return _no_such("model", model_id)
        return self._list(call, SORTED, lambda query, view: store.conversations(query, view, model_id))

    def _messages(self, store: Store, conversation_id: int, call: Call) -> Answer:
        if not store.has("conversations", conversation_id):
            return _no_such("conversation", conversation_id)
        return self._list(call, PAGED, lambda query, view: store.messages(conversation_id, query, view))


def _row(store: Store, kind: Literal["models", "conversations"], row_id: int) -> Answer:
    body = store.row(kind, row_id)
    return _no_such(kind.removesuffix("s"), row_id) if body is None else Answer(200, body)


def _envelope(query: Query, listing: Listing, cap: int | None) -> dict[str, object]:
    total = listing.total if cap is None else min(listing.total, cap)
    return {
        "data": joined(listing.bodies),
        "page": query.page,
        "rows_per_page": query.per_page,
        "total_pages": -(-total // query.per_page),
        "total_rows": total,
    }


def _no_such(noun: str, row_id: int | str) -> Answer:
    return refusal(404, f"there is no {noun} with the id {row_id}")


def _unprocessable(problems: list[Problem]) -> Answer:
    reasons = "; ".join(f"{problem.parameter} {problem.message}" for problem in problems)
    return refusal(422, reasons, problems)
