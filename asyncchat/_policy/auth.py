"""Where the token goes, as flows that no HTTP library knows."""

from __future__ import annotations

import functools
import re
from collections.abc import Generator
from typing import Final, Protocol, TypeVar, runtime_checkable
from urllib.parse import quote

import attrs

from asyncchat._wire.request import Hidden, Request
from asyncchat._wire.response import Response
from asyncchat.errors import AsyncChatError, ConfigurationError

T = TypeVar("T")

_TELLING: Final = 3
"""So few characters are no secret, and would tear words apart."""
_HIDDEN: Final = "***"
_PLAIN: Final = re.compile(r"[\x21-\x7e]+")
_NAME: Final = re.compile(r"[A-Za-z0-9_.~-]+")
_HOW: Final = 'auth takes "bearer", "header:NAME", "query:NAME" or an auth flow such as BearerAuth(token)'


class Token:
    """A secret that shows itself only to the auth flow that asks for `reveal()`."""

    __slots__ = ("_text",)

    def __init__(self, text: str | Token) -> None:
        """Take a token; space and line ends around it are dropped.

        Raises:
            ConfigurationError: It is empty, or holds anything but printable ASCII without spaces.
        """
        if not isinstance(text, str | Token):
            raise ConfigurationError(f"the token must be a text, not {type(text).__name__}")
        plain = text.reveal() if isinstance(text, Token) else text.strip()
        if not plain:
            raise ConfigurationError("the token is empty: give token=, or set ASYNCCHAT_API_TOKEN")
        if not _PLAIN.fullmatch(plain):
            raise ConfigurationError(
                "the token holds a space, a line end or a character outside ASCII: it was probably copied wrongly"
            )
        self._text = plain

    def reveal(self) -> str:
        """The secret itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Token({_HIDDEN!r})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a token is not pickled: give it to the other process by its environment")


@runtime_checkable
class Auth(Protocol):
    """A flow that authorises requests: it yields each request to send, and is given the answer to it."""

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Yield the request with what authorises it; yield again to answer a challenge."""
        ...


@attrs.frozen
class BearerAuth:
    """The token in the header `Authorization: Bearer`."""

    token: Token = attrs.field(converter=Token)

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Yield the request with the header."""
        yield request.with_header("Authorization", f"Bearer {self.token.reveal()}")


def _check_name(_auth: object, _field: object, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"the name that the token goes under is not usable: {name[:40]!r}")


@attrs.frozen
class HeaderAuth:
    """The token alone in a header of that name."""

    name: str = attrs.field(validator=_check_name)
    token: Token = attrs.field(converter=Token)

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Yield the request with the header."""
        yield request.with_header(self.name, self.token.reveal())


@attrs.frozen
class QueryAuth:
    """The token in a query parameter of that name. Servers and proxies tend to log queries: prefer a header."""

    name: str = attrs.field(validator=_check_name)
    token: Token = attrs.field(converter=Token)

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Yield the request with the parameter."""
        yield request.with_param(self.name, Hidden(self.token.reveal()))


def make_auth(auth: str | Auth, token: str | Token | None) -> Auth:
    """The flow that `auth` names.

    Args:
        auth: "bearer", "header:NAME", "query:NAME", or a flow, which brings its own token.
        token: The secret, for the three names.

    Raises:
        ConfigurationError: There is no such flow, or no token for it.
    """
    if not isinstance(auth, str):
        if not isinstance(auth, Auth):
            raise ConfigurationError(f"{_HOW}, not {type(auth).__name__}")
        return auth
    place, _, name = auth.partition(":")
    if token is None:
        raise ConfigurationError("no token: give token=, or set ASYNCCHAT_API_TOKEN")
    if auth == "bearer":
        return BearerAuth(token)
    if place == "header" and name:
        return HeaderAuth(name, token)
    if place == "query" and name:
        return QueryAuth(name, token)
    raise ConfigurationError(f"{_HOW}, not {auth[:40]!r}")


def _spellings(auth: Auth) -> tuple[str, ...]:
    """How a server may send the flow's token back."""
    token = getattr(auth, "token", None)
    if not isinstance(token, Token) or len(token.reveal()) <= _TELLING:
        return ()
    return token.reveal(), quote(token.reveal(), safe="")


def _without(spellings: tuple[str, ...], value: T) -> T | str:
    if isinstance(value, str):
        return functools.reduce(lambda text, secret: text.replace(secret, _HIDDEN), spellings, str(value))
    return value


def hidden(auth: Auth, text: str) -> str:
    """A text of the server's without the flow's token, should it have been sent back."""
    return _without(_spellings(auth), text)


def conceal(auth: Auth, response: Response) -> Response:
    """An answer without the flow's token, should a server have sent it back: an error may be made of it."""
    spellings = _spellings(auth)
    body = functools.reduce(
        lambda body, secret: body.replace(secret.encode(), _HIDDEN.encode()), spellings, response.body
    )
    headers = {name: _without(spellings, value) for name, value in response.headers.items()}
    return attrs.evolve(response, headers=headers, body=body)


def redact(auth: Auth, error: AsyncChatError) -> None:
    """Take the flow's token out of an error."""
    spellings = _spellings(auth)
    error.args = tuple(_without(spellings, item) for item in error.args)
    for name, value in vars(error).items():
        setattr(error, name, _without(spellings, value))
