"""Behaviours: how the sandbox differs from a calm and friendly server, as one frozen value.

Every field can be given to `Sandbox(...)`, as a flag of `asyncchat sandbox`, and at run time to
`PATCH /_sandbox/behaviour`; they combine freely.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

from attrs import field, frozen, validators

from asyncchat.sandbox.serving.access import Place

Order: TypeAlias = Literal["time", "-time", "created_at", "-created_at", "updated_at", "-updated_at", "id", "-id"]
PastEnd: TypeAlias = Literal["empty", "404"]
Spread: TypeAlias = Literal["fixed", "uniform", "exponential"]
Compression: TypeAlias = Literal["none", "gzip", "deflate"]
RetryAfter: TypeAlias = Literal[
    "none",
    "seconds",
    "date",
    "past",
    "nan",
    "inf",
    "negative",
    "hex",
    "arabic",
    "list",
    "exponent",
    "underscore",
    "year-99999",
]

_seconds = [validators.ge(0.0), validators.lt(math.inf)]
_positive = validators.optional([validators.gt(0.0), validators.lt(math.inf)])


def _place(_: object, __: object, auth: str) -> None:
    Place.parse(auth)


@frozen(kw_only=True)
class Behaviour:
    """How the sandbox behaves. The defaults are calm.

    Args:
        auth: Where callers put the token: "bearer", "header:NAME" or "query:NAME".
        order: The order of rows in a listing: "time" is the field that is filtered on; ids break ties.
        unstable_ties: Whether rows of one second change places from answer to answer.
        max_per_page: The most rows that a page has; asking for more gives this many.
        past_end: What comes past the last page.
        count_cap: total_rows never says more than this; None: the truth.
        fractions: Whether rows have fractions of a second that filters see and stamps do not show.
        late: Seconds until a row that was made by live traffic becomes visible; half of them are late.
        replica_lag: Seconds that every second answer lags behind the changes.
        traffic: Changes a second: new messages, new conversations, deletions.
        prerendered: Whether a page that was sent once is sent again from memory, without asking the store.
        latency: Seconds before an answer.
        latency_spread: How latencies are distributed: always this long, evenly from 0 to twice, exponentially.
        bandwidth: Bytes of body a second on one connection; None: no bound.
        compression: How bodies are compressed for those who accept it.
        rate_limit: Requests a second, all clients together; more are answered 429. None: no bound.
        burst: Requests that may come at once under the rate limit.
        retry_after: What a 429 has in Retry-After.
        rate_headers: Whether answers carry RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset.
    """

    auth: str = field(default="bearer", validator=_place)
    order: Order = field(default="time", validator=validators.in_(get_args(Order)))
    unstable_ties: bool = False
    max_per_page: int = field(default=1_000, validator=[validators.ge(1), validators.le(2**31 - 1)])
    past_end: PastEnd = field(default="empty", validator=validators.in_(get_args(PastEnd)))
    count_cap: int | None = field(default=None, validator=validators.optional(validators.ge(0)))
    fractions: bool = False
    late: float = field(default=0.0, validator=_seconds)
    replica_lag: float = field(default=0.0, validator=_seconds)
    traffic: float = field(default=0.0, validator=_seconds)
    prerendered: bool = False
    latency: float = field(default=0.0, validator=_seconds)
    latency_spread: Spread = field(default="fixed", validator=validators.in_(get_args(Spread)))
    bandwidth: float | None = field(default=None, validator=_positive)
    compression: Compression = field(default="none", validator=validators.in_(get_args(Compression)))
    rate_limit: float | None = field(default=None, validator=_positive)
    burst: int = field(default=10, validator=validators.ge(1))
    retry_after: RetryAfter = field(default="seconds", validator=validators.in_(get_args(RetryAfter)))
    rate_headers: bool = False
