"""What the platform posts, as values."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Final

import attrs

from asyncchat._codec.patient import ShapeError, dump, to_record
from asyncchat.errors import WebhookError
from asyncchat.models import KeywordNotificationEvent

KEYWORD_NOTIFICATION: Final = "keyword-notification"
"""The name of the one event that the reference documents."""


@attrs.frozen(kw_only=True)
class UnknownEvent:
    """An event that this version of the SDK does not know: a platform may post others one day.

    Attributes:
        event: Its name.
        payload: What it brought, as JSON values; None where there is nothing.
        body: The body, as it was posted.
    """

    event: str
    payload: Any
    body: bytes = attrs.field(repr=False)


def parse_event(body: bytes) -> KeywordNotificationEvent | UnknownEvent:
    """Read the body of a webhook.

    It is strict on the shape of the notification and open on its values: any keyword, platform or sender is fine, and
    fields that the SDK does not know are in `.extra`.

    Args:
        body: As it was posted: JSON in UTF-8, with or without a byte order mark.

    Returns:
        The notification, or an event of another name with its payload unread.

    Raises:
        WebhookError: The body is none of both; `.paths` names every place that is wrong.
    """
    value = _read(body)
    if not isinstance(value, dict):
        raise WebhookError("the body is JSON, but no object: an event has the fields event and payload")
    name = value.get("event")
    if not isinstance(name, str):
        raise WebhookError("the body has no event, which is a text: it is no webhook's", paths=("$.event",))
    if name != KEYWORD_NOTIFICATION:
        return UnknownEvent(event=name, payload=value.get("payload"), body=body)
    try:
        event: KeywordNotificationEvent = to_record(value, KeywordNotificationEvent)
    except ShapeError as exc:
        paths, shown = exc.paths, exc.shown
    else:
        return event
    raise WebhookError(f"the notification is not in the agreed shape: {shown}", paths=paths)


def to_json(event: KeywordNotificationEvent | UnknownEvent) -> dict[str, Any]:
    """An event as JSON values: `event` and `payload`, as they were posted."""
    if isinstance(event, UnknownEvent):
        return {"event": event.event, "payload": event.payload}
    return dump(event)


def _read(body: bytes) -> Any:
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(body.decode("utf-8-sig"))
    # out of the handler: its exception, which holds the whole body, is not the context
    raise WebhookError(f"the body ({len(body):,} bytes) is no JSON in UTF-8")
