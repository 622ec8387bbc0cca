"""Keyword webhooks: what the platform posts, and an inbox that loses none of it.

from asyncchat.webhooks import KeywordNotificationEvent, parse_event

event = parse_event(body)
if isinstance(event, KeywordNotificationEvent):
    print(event.payload.keyword, event.payload.id)
"""

from __future__ import annotations

from asyncchat.models import KeywordNotification, KeywordNotificationEvent
from asyncchat.webhooks.events import KEYWORD_NOTIFICATION, UnknownEvent, parse_event, to_json
from asyncchat.webhooks.gate import Answer, Incoming
from asyncchat.webhooks.inbox import Inbox
from asyncchat.webhooks.receiver import Receiver
from asyncchat.webhooks.secrets import make_secret
from asyncchat.webhooks.stored import Added, InboxStats, Stored

__all__ = [
    "KEYWORD_NOTIFICATION",
    "Added",
    "Answer",
    "Inbox",
    "InboxStats",
    "Incoming",
    "KeywordNotification",
    "KeywordNotificationEvent",
    "Receiver",
    "Stored",
    "UnknownEvent",
    "make_secret",
    "parse_event",
    "to_json",
]
