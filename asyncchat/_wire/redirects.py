"""Which redirects are followed: reads, to where the request's own origin says, a few times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import SplitResult, unquote_plus, urlencode, urljoin, urlsplit

from asyncchat._policy.secret import Hidden
from asyncchat._wire.request import Request
from asyncchat._wire.response import Response
from asyncchat.errors import APIStatusError

MAX_REDIRECTS: Final = 5
"""Redirects of one attempt at most.

Source: RFC 9110, 15.4, which names the five that RFC 2068, 10.3, recommended as the limit that servers have to expect.
"""

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_FOLLOWED: Final = frozenset({"GET", "HEAD"})
_PORTS: Final = {"http": 80, "https": 443}
_PLAIN: Final = re.compile(r"[!-\[\]-~]+")
"""Printable ASCII without the backslash, which some parsers read as a slash."""


def redirect_target(url: str, status: int, location: str, request_id: str | None = None) -> str:
    """Where a redirect leads, if that is below the origin of the request: a URL without a fragment.

    Args:
        url: What was asked.
        status: Of the answer: 301, 302, 303, 307 or 308.
        location: The answer's Location, absolute or relative to `url`.
        request_id: For the error.

    The URL is put together from the request's own scheme, host and port, so that no second parser can read another
    host into it.

    Raises:
        APIStatusError: It leads to another scheme, host or port, or is no URL. The message names the other origin, and
            nothing else of the URL.
    """
    here, there = urlsplit(url), _resolved(url, location)
    if there is None:
        raise refusal(status, "the server redirects to what is no URL", request_id)
    if _origin(there) != _origin(here):
        what = "without TLS" if (here.scheme, there.scheme) == ("https", "http") else "another origin"
        why = f"the server redirects to {_shown(there)}, {what}, and the token goes nowhere else"
        raise refusal(status, why, request_id)
    path = there.path if there.path.startswith("/") else f"/{there.path}"
    return f"{here.scheme}://{here.netloc}{path}" + (f"?{there.query}" if there.query else "")


def next_url(trail: Sequence[str], request: Request, answer: Response) -> str | None:
    """The URL to ask next; None when the answer is no redirect, and so the last word.

    Args:
        trail: The URLs that were asked, the first one first.
        request: What is asked. Parameters that carry a secret go along: a Location may or may not repeat them.
        answer: To the last URL.

    Raises:
        APIStatusError: The redirect is not followed: it leaves the origin, answers more than a GET or HEAD, goes round
            in circles, or is one too many.
    """
    location = answer.headers.get("location")
    if answer.status not in REDIRECTS or not location:
        return None
    target = redirect_target(trail[-1], answer.status, location, answer.request_id)
    target = _with_secrets(target, request)
    if request.method not in _FOLLOWED:
        where = f"the server redirects a {request.method} to {_shown(urlsplit(target))}, and only reads are followed"
        raise refusal(answer.status, where, answer.request_id)
    if target in trail:
        raise refusal(answer.status, "the server redirects in a loop", answer.request_id)
    if len(trail) > MAX_REDIRECTS:
        raise refusal(answer.status, f"the server redirects more than {MAX_REDIRECTS} times", answer.request_id)
    return target


def refusal(status: int, why: str, request_id: str | None = None) -> APIStatusError:
    """The error of a redirect that is not followed."""
    return APIStatusError.for_status(status)(
        f"{status} {HTTPStatus(status).phrase}: {why}: set base_url to where the API really is",
        status=status,
        request_id=request_id,
    )


def _resolved(url: str, location: str) -> SplitResult | None:
    """The parts of the http(s) URL that a location means; None when it is none, or has a user name."""
    try:
        parts = urlsplit(urljoin(url, location) if _PLAIN.fullmatch(location) else "")
        fine = parts.hostname and parts.scheme in _PORTS and "@" not in parts.netloc and (parts.port or 1)
    except ValueError:
        return None
    return parts if fine else None


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def _shown(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc}"[:200]


def _with_secrets(url: str, request: Request) -> str:
    """The URL with each secret parameter of the request, once."""
    secrets = [(name, value) for name, value in request.params if isinstance(value, Hidden)]
    if not secrets:
        return url
    path, _, query = url.partition("?")
    names = {name for name, _ in secrets}
    kept = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in names]
    return f"{path}?{'&'.join([*kept, urlencode(secrets)])}"
