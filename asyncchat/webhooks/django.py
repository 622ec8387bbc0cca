"""A receiver in a site of Django, under WSGI and ASGI.

    urlpatterns = [webhook_path("webhook", receiver)]

It takes a receiver for blocking code, `asyncchat.blocking.Receiver`. Its handlers are called in threads of its own,
where connections to the site's databases are closed when they are too old, as those of a request are.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, cast

try:
    from django.db import close_old_connections
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern, re_path
    from django.views.decorators.csrf import csrf_exempt
except ImportError:
    raise ImportError("this part needs Django: pip install django") from None

from asyncchat.webhooks.dispatch import Surrounding
from asyncchat.webhooks.gate import Answer, Incoming, SenderGoneError

_AT_ONCE: Final = 64 * 1024


class BlockingReceiver(Protocol):
    """`asyncchat.blocking.Receiver`."""

    surround: Any

    def receive(self, incoming: Incoming, chunks: Iterable[bytes]) -> Answer:
        """Decide what becomes of a request."""
        ...


def webhook_path(route: str, receiver: BlockingReceiver) -> URLPattern:
    """A path that receives events at `/ROUTE/SECRET`, and at `/ROUTE` with the secret in the header or `?secret=`.

    Args:
        route: Without slashes at its ends.
        receiver: Where events go.
    """
    surrounding: Surrounding = _fresh_connections
    receiver.surround(surrounding)

    def view(request: HttpRequest, secret: str | None = None) -> HttpResponse:
        told = [secret, request.GET.get("secret")]
        headers = {name.lower(): value for name, value in _headers(request).items()}
        secrets = [each for each in told if each is not None]
        incoming = Incoming(method=request.method or "", headers=headers, secrets=secrets)
        return _response(receiver.receive(incoming, _chunks(request)))

    pattern = re_path(rf"^{re.escape(route)}(?:/(?P<secret>[^/]+))?/?$", csrf_exempt(view), name="asyncchat-webhook")
    return cast("URLPattern", pattern)


def _headers(request: HttpRequest) -> Mapping[str, str]:
    return cast("Mapping[str, str]", request.headers)


def _chunks(request: HttpRequest) -> Iterator[bytes]:
    """The body, also one whose length is not told: Django itself takes it for empty."""
    stream: Any = request
    environ = getattr(request, "environ", {})
    if "content-length" not in _headers(request) and environ.get("wsgi.input_terminated"):
        stream = environ["wsgi.input"]
    try:
        while chunk := stream.read(_AT_ONCE):
            yield chunk
    except OSError:
        raise SenderGoneError from None


def _response(answer: Answer) -> HttpResponse:
    return HttpResponse(
        answer.text.encode() + b"\n",
        status=answer.status,
        content_type="text/plain; charset=utf-8",
        headers=dict(answer.headers),
    )


@contextlib.contextmanager
def _fresh_connections() -> Iterator[None]:
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()
