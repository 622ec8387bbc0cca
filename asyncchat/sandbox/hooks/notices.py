"""Notices: the keyword notifications that the platform sends to its users, good and bad ones."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypedDict
from urllib.parse import urlsplit

import msgspec
from attrs import field, fields_dict, frozen, validators

from asyncchat.sandbox.mishaps.chance import fraction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from asyncchat._types import JSON

KEYWORDS: Final = ("urgent", "refund", "komplain", "r\u00fcckgabe", "\u8fd4\u54c1", "\U0001f621")
_JSON: Final = "application/json"
_BAD: Final = (
    (_JSON, b""),
    (_JSON, b"not json"),
    (_JSON, b'{"event":"keyword-notification","payload":{"id":1'),
    (_JSON, b"[]"),
    (_JSON, b'{"event":"keyword-notification"}'),
    (_JSON, b'{"event":"keyword-notification","payload":{"id":"../x","keyword":7}}'),
    (_JSON, '{"event":"keyword-notification"}'.encode("utf-16")),
    ("application/x-www-form-urlencoded", b"event=keyword-notification&payload=1"),
)


class Options(TypedDict, total=False):
    """Everything of a Campaign but its URL; see there what it means."""

    count: int
    rate: float | None
    concurrency: int
    attempts: int
    backoff: float
    timeout: float
    duplicates: float
    bad: float
    headers: dict[str, str]


def _http_url(_: object, __: object, url: str) -> None:
    if re.fullmatch(r"https?://[^/\s]+\S*", url):
        with suppress(ValueError):
            urlsplit(url).port  # noqa: B018 - it is read when it is asked for
            return
    raise ValueError(f"the webhook's URL is {url!r:.80}: write it as http://host/path")


@frozen(kw_only=True)
class Campaign:
    """What to send.

    Args:
        url: Where to; http or https.
        count: How many notifications, besides duplicates and bad bodies.
        rate: How many begin in a second; None: as fast as `concurrency` allows.
        concurrency: How many may be under way at once.
        attempts: How often one is sent until it is acknowledged with a 2xx.
        backoff: Seconds before the second attempt; each further pause is twice as long.
        timeout: Seconds for one attempt.
        duplicates: The chance that a notification is sent a second time although it may have arrived.
        bad: The chance that a body that is no notification is sent besides.
        headers: Beyond the usual ones, such as a secret.

    Raises:
        ValueError: If an argument makes no sense.
    """

    url: str = field(validator=_http_url)
    count: int = field(default=10, validator=validators.ge(0))
    rate: float | None = field(default=None, validator=validators.optional(validators.gt(0.0)))
    concurrency: int = field(default=8, validator=validators.ge(1))
    attempts: int = field(default=3, validator=validators.ge(1))
    backoff: float = field(default=0.5, validator=validators.ge(0.0))
    timeout: float = field(default=10.0, validator=validators.gt(0.0))
    duplicates: float = field(default=0.0, validator=[validators.ge(0.0), validators.le(1.0)])
    bad: float = field(default=0.0, validator=[validators.ge(0.0), validators.le(1.0)])
    headers: dict[str, str] = field(factory=dict)


def read_campaign(document: bytes) -> Campaign:
    """Read a campaign from a JSON object.

    Raises:
        ValueError: If it is none; the message says why.
    """
    try:
        wanted = msgspec.json.decode(document, type=dict[str, object])
        if unknown := wanted.keys() - fields_dict(Campaign).keys():
            raise ValueError(f"a campaign has no {', '.join(sorted(unknown))}")
        return msgspec.convert(wanted, Campaign)
    except msgspec.DecodeError as error:
        raise ValueError(f"this is no campaign of webhooks: {error}") from error


@frozen
class Notice:
    """One body to send.

    Attributes:
        row_id: The id of its conversation; None: the body is no notification.
        body: What is sent.
        content_type: What it is said to be.
        duplicate: Whether the same body was to be sent before.
    """

    row_id: int | None
    body: bytes
    content_type: str = _JSON
    duplicate: bool = False


def notification(conversation: Mapping[str, JSON], keyword: str) -> bytes:
    """A KeywordNotificationEvent of the contract: the conversation with its keyword, without updated_at."""
    payload: dict[str, JSON] = {name: value for name, value in conversation.items() if name != "updated_at"}
    payload["keyword"] = keyword
    return msgspec.json.encode({"event": "keyword-notification", "payload": payload})


def notices(conversations: Sequence[Mapping[str, JSON]], campaign: Campaign, seed: int) -> Iterator[Notice]:
    """Everything that is to be sent, in order; the same seed gives the same bodies.

    Args:
        conversations: Taken in turn, with another keyword each time round.
        campaign: How many, and the chances.
        seed: For the chances.
    """
    for number in range(campaign.count if conversations else 0):
        turn, place = divmod(number, len(conversations))
        row = conversations[place]
        row_id = row["id"]
        assert isinstance(row_id, int)
        body = notification(row, KEYWORDS[(turn + place) % len(KEYWORDS)])
        yield Notice(row_id, body)
        if fraction(seed, "duplicate", number) < campaign.duplicates:
            yield Notice(row_id, body, duplicate=True)
        if fraction(seed, "bad", number) < campaign.bad:
            content_type, spoilt = _BAD[int(fraction(seed, "spoilt", number) * len(_BAD))]
            yield Notice(None, spoilt, content_type)
