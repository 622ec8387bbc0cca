"""Async-first SDK for chat platform data: client, blocking client, certified export, webhook inbox, sandbox.

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asyncchat._client import AsyncClient
    from asyncchat._events import (
        CountingHook,
        Event,
        FailureEvent,
        GiveUpEvent,
        Hook,
        LimitEvent,
        PauseEvent,
        RequestEvent,
        ResponseEvent,
        RetryEvent,
    )
    from asyncchat._paging import AsyncPager
    from asyncchat._policy.auth import Auth, BearerAuth, HeaderAuth, QueryAuth
    from asyncchat._policy.retry import RetryPolicy
    from asyncchat._profile import Profile
    from asyncchat._sync import Client, Pager
    from asyncchat._wire.request import Request
    from asyncchat._wire.response import Response
    from asyncchat._wire.timestamps import to_instant
    from asyncchat.errors import (
        APIConnectionError,
        APIStatusError,
        APITimeoutError,
        AsyncChatError,
        AuthenticationError,
        ConfigurationError,
        ConflictError,
        DecodeError,
        ExportBusyError,
        ExportError,
        InvalidRequestError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        ServerError,
        WebhookError,
    )
    from asyncchat.models import (
        Conversation,
        KeywordNotification,
        KeywordNotificationEvent,
        Message,
        Model,
        Page,
        RawRow,
    )

__version__ = "0.1.0"

_HOMES: Final = {
    "_client": ("AsyncClient",),
    "_events": (
        "CountingHook",
        "Event",
        "FailureEvent",
        "GiveUpEvent",
        "Hook",
        "LimitEvent",
        "PauseEvent",
        "RequestEvent",
        "ResponseEvent",
        "RetryEvent",
    ),
    "_paging": ("AsyncPager",),
    "_policy.auth": ("Auth", "BearerAuth", "HeaderAuth", "QueryAuth"),
    "_policy.retry": ("RetryPolicy",),
    "_profile": ("Profile",),
    "_sync": ("Client", "Pager"),
    "_wire.request": ("Request",),
    "_wire.response": ("Response",),
    "_wire.timestamps": ("to_instant",),
    "errors": (
        "APIConnectionError",
        "APIStatusError",
        "APITimeoutError",
        "AsyncChatError",
        "AuthenticationError",
        "ConfigurationError",
        "ConflictError",
        "DecodeError",
        "ExportBusyError",
        "ExportError",
        "InvalidRequestError",
        "NotFoundError",
        "PermissionDeniedError",
        "RateLimitError",
        "ServerError",
        "WebhookError",
    ),
    "models": (
        "Conversation",
        "KeywordNotification",
        "KeywordNotificationEvent",
        "Message",
        "Model",
        "Page",
        "RawRow",
    ),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncChatError",
    "AsyncClient",
    "AsyncPager",
    "Auth",
    "AuthenticationError",
    "BearerAuth",
    "Client",
    "ConfigurationError",
    "ConflictError",
    "Conversation",
    "CountingHook",
    "DecodeError",
    "Event",
    "ExportBusyError",
    "ExportError",
    "FailureEvent",
    "GiveUpEvent",
    "HeaderAuth",
    "Hook",
    "InvalidRequestError",
    "KeywordNotification",
    "KeywordNotificationEvent",
    "LimitEvent",
    "Message",
    "Model",
    "NotFoundError",
    "Page",
    "Pager",
    "PauseEvent",
    "PermissionDeniedError",
    "Profile",
    "QueryAuth",
    "RateLimitError",
    "RawRow",
    "Request",
    "RequestEvent",
    "Response",
    "ResponseEvent",
    "RetryEvent",
    "RetryPolicy",
    "ServerError",
    "WebhookError",
    "__version__",
    "to_instant",
]

logging.getLogger("asyncchat").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'asyncchat' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"asyncchat.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
