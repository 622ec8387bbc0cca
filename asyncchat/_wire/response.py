"""An answer as a value, and the error that it stands for."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import attrs

from asyncchat._policy.retry import THROTTLED
from asyncchat._wire.headers import Budget, parse_budget, parse_http_date, parse_retry_after, request_id
from asyncchat.errors import APIStatusError, DecodeError

_BODY_SHOWN: Final = 2_000
_BODY_READ: Final = 64 * 2**10
_TYPE_SHOWN: Final = 60
_MESSAGE_SHOWN: Final = 300
_MESSAGE_FIELDS: Final = ("message", "error", "detail")

_ADVICE: Final[Mapping[int, str]] = {
    301: "Nothing was followed. Set base_url to where the API really is",
    400: "Check the arguments",
    401: "Check the token and where it goes (auth=)",
    403: "The token is known but may not do this: ask for access",
    404: "Check the id, and that base_url has the API's prefix",
    409: "Read the thing again, then repeat",
    422: "Check the arguments",
    429: "Wait, then go on more slowly (max_rate=)",
    500: "The server failed: try again later",
}


def _frozen_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({name.lower(): value for name, value in headers.items()})


@attrs.frozen(kw_only=True)
class Response:
    """An answer of the API.

    Attributes:
        status: The HTTP status.
        headers: With lower-case names.
        body: The body's bytes, decompressed.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict, converter=_frozen_headers, repr=False)
    body: bytes = attrs.field(default=b"", repr=lambda body: f"<{len(body)} bytes>")

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - plain numbers compare ten times as quickly as HTTPStatus

    @property
    def request_id(self) -> str | None:
        """What the server calls this request, None when it does not say."""
        return request_id(self.headers)

    @property
    def date(self) -> float | None:
        """The server's clock, in seconds since the epoch; None when it does not say."""
        return parse_http_date(self.headers.get("date"))

    def json(self) -> Any:
        """The body as plain JSON values.

        Raises:
            DecodeError: It is no JSON.
        """
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(self.body.decode("utf-8-sig"))
        # out of the handler: its exception, which holds the whole body, is not the context
        raise decode_error(self, describe_body(self), retryable=True)

    def retry_after(self, now: float) -> float | None:
        """Seconds that the server asks to wait, None when it does not say.

        Args:
            now: Seconds since the epoch.
        """
        return parse_retry_after(self.headers, now)

    def budget(self, now: float) -> Budget | None:
        """What the rate limit still allows, None when the server does not say.

        Args:
            now: Seconds since the epoch.
        """
        return parse_budget(self.headers, now)


def looks_like_json(response: Response) -> bool:
    """Whether a body begins and ends as a JSON object does."""
    return response.body.startswith(b"{") and response.body.endswith((b"}", b"}\n"))


def decode_error(
    response: Response, message: str, *, paths: tuple[str, ...] = ("$",), retryable: bool = False
) -> DecodeError:
    """The error of an answer that is not in the agreed shape."""
    known_as = response.request_id
    return DecodeError(
        message + (f" (request id {known_as})" if known_as else ""),
        paths=paths,
        retryable=retryable,
        status=response.status,
        request_id=known_as,
    )


def describe_body(response: Response) -> str:
    """Say what came instead of the agreed JSON."""
    kind = response.headers.get("content-type", "no content type").split(";")[0].strip()
    kind = kind if len(kind) <= _TYPE_SHOWN else "an odd content type"
    what = "an HTML page" if response.body.lstrip()[:1] == b"<" else f"{len(response.body)} bytes of {kind}"
    return f"the answer ({response.status}) is not JSON but {what}: check that base_url is the API's"


def error_text(body: bytes) -> str:
    """What an error's body says, read leniently: the field message, error or detail, else a short plain text."""
    try:
        value = json.loads(body[:_BODY_READ])
    except (ValueError, RecursionError):
        text = body[:_MESSAGE_SHOWN].decode("utf-8", "replace").strip()
        return "" if text.startswith("<") else text
    for name in _MESSAGE_FIELDS:
        if isinstance(value, dict) and value.get(name):
            found = value[name]
            return (found if isinstance(found, str) else json.dumps(found))[:_MESSAGE_SHOWN]
    return ""


def status_error(response: Response, *, now: float) -> APIStatusError | None:
    """The error that an answer stands for, None for success and for 304.

    Args:
        response: The answer.
        now: Seconds since the epoch, for a Retry-After date.
    """
    status = response.status
    if response.is_success or status == HTTPStatus.NOT_MODIFIED:
        return None
    said = " ".join(error_text(response.body).split())
    family = status if status in _ADVICE else {3: 301, 4: 400}.get(status // 100, 500)
    parts = [f"{status} {_phrase(status)}".strip(), f": {said.rstrip('.')}" if said else "", f". {_ADVICE[family]}"]
    known_as = response.request_id
    return APIStatusError.for_status(status)(
        "".join(parts) + (f" (request id {known_as})" if known_as else ""),
        status=status,
        request_id=known_as,
        body=response.body[:_BODY_SHOWN].decode("utf-8", "replace"),
        retry_after=_asked(response, now),
    )


def _asked(response: Response, now: float) -> float | None:
    """Seconds to wait: Retry-After, or after a 429 or 503 without one, until the RateLimit headers allow more."""
    asked = response.retry_after(now)
    budget = response.budget(now) if asked is None and response.status in THROTTLED else None
    return asked if budget is None or budget.remaining or not budget.seconds else budget.seconds


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
