"""The current behaviour: one value that is replaced while requests are answered."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypedDict, Unpack

import msgspec
from attrs import asdict, evolve, fields_dict

from asyncchat.sandbox.behaviour import Behaviour
from asyncchat.sandbox.data.query import Problem

if TYPE_CHECKING:
    from asyncchat.sandbox.behaviour import Compression, Order, PastEnd, RetryAfter, Spread


class Changes(TypedDict, total=False):
    """Fields of a Behaviour that are to have other values; see there what they mean."""

    auth: str
    order: Order
    unstable_ties: bool
    max_per_page: int
    past_end: PastEnd
    count_cap: int | None
    fractions: bool
    late: float
    replica_lag: float
    traffic: float
    prerendered: bool
    latency: float
    latency_spread: Spread
    bandwidth: float | None
    compression: Compression
    rate_limit: float | None
    burst: int
    retry_after: RetryAfter
    rate_headers: bool


class Current:
    """Where everything that answers reads how to behave, afresh at each request.

    Attributes:
        behaviour: How the sandbox behaves now.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._lock = threading.Lock()

    def change(self, **changes: Unpack[Changes]) -> Behaviour:
        """Replace some fields and give the whole; may be called from any thread.

        Raises:
            TypeError: If there is no such field.
            ValueError: If a value makes no sense.
        """
        with self._lock:
            self.behaviour = evolve(self.behaviour, **changes)
            return self.behaviour

    def patch(self, document: bytes) -> Behaviour | list[Problem]:
        """Replace the fields that a JSON object names, all of them or, if there is any problem, none."""
        try:
            wanted = msgspec.json.decode(document, type=dict[str, object])
        except msgspec.DecodeError as error:
            return [Problem("body", f"must be a JSON object of fields: {error}")]
        with self._lock:
            known = asdict(self.behaviour)
            problems = [Problem(name, reason) for name in wanted if (reason := _objection(name, known, wanted[name]))]
            if not problems:
                self.behaviour = msgspec.convert(known | wanted, Behaviour)
            return problems or self.behaviour


def _objection(name: str, known: dict[str, object], value: object) -> str:
    if name not in known:
        return f"is no field: there are {', '.join(fields_dict(Behaviour))}"
    try:
        msgspec.convert(known | {name: value}, Behaviour)
    except msgspec.ValidationError as error:
        return str(error)
    return ""
