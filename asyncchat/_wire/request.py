"""One call as a value, before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, unquote, urlencode

import attrs

from asyncchat._types import MAX_ID
from asyncchat.errors import ConfigurationError

Pairs = tuple[tuple[str, str], ...]

_PATH: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*", re.ASCII)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_FORBIDDEN: Final = re.compile(r"[\r\n\0]")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]*")
_MAX_LIMIT: Final = 2**31 - 1


def _upper(method: str) -> str:
    return method.upper()


def _pairs(value: Mapping[str, object] | Iterable[tuple[str, object]]) -> Pairs:
    if value == ():
        return ()
    items = value.items() if isinstance(value, Mapping) else value
    return tuple((str(name), item if isinstance(item, str) else str(item)) for name, item in items if item is not None)


def _climbs(path: str) -> bool:
    return ("." in path or "%" in path) and not {".", ".."}.isdisjoint(unquote(path).split("/"))


def _check_path(_request: Request, _field: object, path: str) -> None:
    if not _PATH.fullmatch(path) or path.startswith("//") or _climbs(path):
        raise ConfigurationError(
            f"path must be a plain path below the base URL, such as /conversations, not {path[:80]!r}; "
            "a query goes into params"
        )


def _check_method(_request: Request, _field: object, method: str) -> None:
    if not _TOKEN.fullmatch(method):
        raise ConfigurationError(f"method is no HTTP method: {method[:20]!r}; write GET, or what the reference says")


def _check_headers(_request: Request, _field: object, headers: Pairs) -> None:
    for name, value in headers:
        if not _TOKEN.fullmatch(name) or _FORBIDDEN.search(value):
            raise ConfigurationError(
                f"header {name[:40]!r} cannot be sent: it has a character that HTTP forbids. Remove line ends"
            )


@attrs.frozen
class Request:
    """A call to the API, below the base URL.

    Args:
        method: "GET" and so on.
        path: Begins with a slash; no scheme, no host, no query.
        params: The query: a mapping or pairs. None values are left out.
        headers: Further headers: a mapping or pairs.
        body: Bytes to send, None for no body.

    Raises:
        ConfigurationError: The path is absolute or climbs, or a header holds a line end.
    """

    method: str = attrs.field(converter=_upper, validator=_check_method)
    path: str = attrs.field(validator=_check_path)
    params: Pairs = attrs.field(default=(), converter=_pairs, kw_only=True)
    headers: Pairs = attrs.field(default=(), converter=_pairs, kw_only=True, repr=False, validator=_check_headers)
    body: bytes | None = attrs.field(default=None, kw_only=True, repr=False)

    @classmethod
    def of_parts(cls, method: str, path: str, params: Pairs) -> Request:
        """A call of parts that are known to be right, which are not checked again: listings make one for each page."""
        return _assembled(method, path, params, (), None)

    @property
    def query(self) -> str:
        """The query as it is sent: everything that is not unreserved is escaped, so `+` arrives as `%2B`."""
        if _UNRESERVED.fullmatch("".join([text for pair in self.params for text in pair])):
            return "&".join([f"{name}={value}" for name, value in self.params])
        return urlencode(self.params, quote_via=quote, safe="")

    def with_header(self, name: str, value: str) -> Request:
        """The same call with one more header, which replaces one of that name."""
        _check_headers(self, None, ((name, value),))
        return put_header(self, name, value)

    def with_param(self, name: str, value: str) -> Request:
        """The same call with one more query parameter, which replaces one of that name."""
        kept = [pair for pair in self.params if pair[0] != name]
        return _assembled(self.method, self.path, (*kept, (name, value)), self.headers, self.body)


_set: Final = object.__setattr__


def _assembled(method: str, path: str, params: Pairs, headers: Pairs, body: bytes | None) -> Request:
    """A request of parts that have been checked: its `__init__` would check them again, each time."""
    request = object.__new__(Request)
    _set(request, "method", method)
    _set(request, "path", path)
    _set(request, "params", params)
    _set(request, "headers", headers)
    _set(request, "body", body)
    return request


def put_header(request: Request, name: str, value: str) -> Request:
    """A call with one more header, which is known to be right: see `Request.with_header`."""
    kept = [pair for pair in request.headers if pair[0].lower() != name.lower()] if request.headers else ()
    return _assembled(request.method, request.path, request.params, (*kept, (name, value)), request.body)


def check_id(value: int, name: str) -> int:
    """Refuse what is no identifier, so that nothing else ever stands in a path.

    Raises:
        ConfigurationError: It is no whole number from 0 to 2**63 - 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_ID:
        raise ConfigurationError(f"{name} takes a whole number from 0 to 2**63 - 1, not {value!r:.80}")
    return value


def check_count(value: int, name: str) -> int:
    """Refuse what is no positive count.

    Raises:
        ConfigurationError: It is no whole number from 1 to 2**31 - 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_LIMIT:
        raise ConfigurationError(f"{name} takes a whole number from 1 to 2**31 - 1, not {value!r:.80}")
    return value
