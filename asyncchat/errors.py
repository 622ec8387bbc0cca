"""Every error that asyncchat raises.

```
AsyncChatError
├── ConfigurationError            wrong before anything was sent
├── APIConnectionError            no usable answer came
│   └── APITimeoutError           not in time
├── APIStatusError                the server answered, and not with success
│   ├── InvalidRequestError       400, 422
│   ├── AuthenticationError       401
│   ├── PermissionDeniedError     403
│   ├── NotFoundError             404
│   ├── ConflictError             409
│   ├── RateLimitError            429
│   └── ServerError               5xx
├── DecodeError                   the server answered, not in the agreed shape
├── WebhookError                  a webhook's body or secret is wrong
└── ExportError                   an export could not be made or certified
    └── ExportBusyError           another run writes to its destination
```

Errors hold plain data: they can be pickled and copied, with their notes, and hold neither live objects nor the token.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, TypedDict, Unpack

__all__ = [
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
]


class AsyncChatError(Exception):
    """The base of every error of this package. `str()` of it says what happened and what to do next."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Class, message and attributes: a copy has notes of its own, and a cause where that is one of these errors."""
        state: dict[str, Any] = {name: list(x) if name == "__notes__" else x for name, x in vars(self).items()}
        if isinstance(self.__cause__, AsyncChatError):
            state["__cause__"] = self.__cause__
        return type(self), self.args, state


class ConfigurationError(AsyncChatError):
    """An argument, a setting or a file is wrong. Nothing was sent."""


class _CallFacts(TypedDict, total=False):
    """What every error of a call knows of it: see the attributes of `_CallError`."""

    method: str | None
    path: str | None
    attempts: int
    elapsed: float


class _CallError(AsyncChatError):
    """An error of one call: which call, how often it was tried, how long it took.

    Attributes:
        method: The HTTP method, None when no call was made.
        path: The path below the base URL, without the query.
        attempts: Requests sent for this call, the first one included.
        elapsed: Seconds from the call's start to its end, waiting included.
    """

    def __init__(
        self,
        message: str,
        *,
        method: str | None = None,
        path: str | None = None,
        attempts: int = 1,
        elapsed: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.method = method
        self.path = path
        self.attempts = attempts
        self.elapsed = elapsed

    def __str__(self) -> str:
        message = str(self.args[0])
        call = f"{self.method} {self.path}: {message}" if self.method else message
        return f"{call} ({self.attempts} attempts in {self.elapsed:.1f} s)" if self.attempts > 1 else call


class APIConnectionError(_CallError):
    """No usable answer came from the server.

    Attributes:
        sent: Whether the server may have seen the request.
        retryable: Whether the same request may well succeed in a moment.
    """

    def __init__(
        self,
        message: str,
        *,
        sent: bool = False,
        retryable: bool = True,
        **call: Unpack[_CallFacts],
    ) -> None:
        super().__init__(message, **call)
        self.sent = sent
        self.retryable = retryable


class APITimeoutError(APIConnectionError):
    """No answer came in time: the attempt's `timeout` or the call's `deadline` ran out."""


class APIStatusError(_CallError):
    """The server answered with a status that is not success.

    Attributes:
        status: The HTTP status.
        request_id: What the server calls this request, for its support; None when it does not say.
        body: The start of the answer's body, as text.
        retry_after: Seconds that the server asks to wait, None when it does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        request_id: str | None = None,
        body: str = "",
        retry_after: float | None = None,
        **call: Unpack[_CallFacts],
    ) -> None:
        super().__init__(message, **call)
        self.status = status
        self.request_id = request_id
        self.body = body
        self.retry_after = retry_after

    @staticmethod
    def for_status(status: int) -> type[APIStatusError]:
        """The class that stands for a status: `APIStatusError` itself when none is nearer."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return ServerError
        return _BY_STATUS.get(status, APIStatusError)


class InvalidRequestError(APIStatusError):
    """400 or 422: the server does not take an argument."""


class AuthenticationError(APIStatusError):
    """401: the server does not know the token."""


class PermissionDeniedError(APIStatusError):
    """403: the token may not do this."""


class NotFoundError(APIStatusError):
    """404: there is no such thing."""


class ConflictError(APIStatusError):
    """409: the request does not fit the state of the thing."""


class RateLimitError(APIStatusError):
    """429: too many requests; `retry_after` says how many seconds to wait, if the server said so."""


class ServerError(APIStatusError):
    """5xx: the server failed."""


_BY_STATUS: dict[int, type[APIStatusError]] = {
    HTTPStatus.BAD_REQUEST: InvalidRequestError,
    HTTPStatus.UNAUTHORIZED: AuthenticationError,
    HTTPStatus.FORBIDDEN: PermissionDeniedError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.UNPROCESSABLE_ENTITY: InvalidRequestError,
    HTTPStatus.TOO_MANY_REQUESTS: RateLimitError,
}


class DecodeError(_CallError):
    """The server answered, but not in the agreed shape.

    Attributes:
        paths: Where in the answer, as in `$.data[17].created_at`; `$` is the answer itself.
        retryable: Whether a second answer may well be better: it was cut off, or was no JSON at all.
        status: The HTTP status, None when it was not one answer that was wrong.
        request_id: What the server calls this request, for its support; None when it does not say.
    """

    def __init__(
        self,
        message: str,
        *,
        paths: tuple[str, ...] = ("$",),
        retryable: bool = False,
        status: int | None = None,
        request_id: str | None = None,
        **call: Unpack[_CallFacts],
    ) -> None:
        super().__init__(message, **call)
        self.paths = paths
        self.retryable = retryable
        self.status = status
        self.request_id = request_id


class WebhookError(AsyncChatError):
    """A webhook's body is not in the agreed shape, or its secret is wrong.

    Attributes:
        paths: Where in the body, as in `$.payload.keyword`; `$` is the body itself.
    """

    def __init__(self, message: str, *, paths: tuple[str, ...] = ("$",)) -> None:
        super().__init__(message)
        self.paths = paths


class ExportError(AsyncChatError):
    """An export could not be started, finished or certified."""


class ExportBusyError(ExportError):
    """Another export, sync, refresh or repair writes to the destination just now."""
