"""Where the token goes, as flows that no HTTP library knows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator
from typing import Any, Final, Protocol, runtime_checkable

import attrs

from asyncchat._policy.secret import Hidden, Token, bare, guarded
from asyncchat._wire.request import Request, put_header
from asyncchat._wire.response import Response
from asyncchat.errors import AsyncChatError, ConfigurationError

_NAME: Final = re.compile(r"[A-Za-z0-9_.~-]+")
_HOW: Final = 'auth takes "bearer", "header:NAME", "query:NAME" or an auth flow such as BearerAuth(token)'
_BODY_SEARCHED: Final = 64 * 2**10
_CAUSE_SHOWN: Final = 200


@runtime_checkable
class Auth(Protocol):
    """A flow that authorises requests: it yields each request to send, and is given the answer to it.

    What a flow of your own has in an attribute `token`, a text, is kept out of errors as the token of the others is.
    """

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Yield the request with what authorises it; yield again to answer a challenge."""
        ...


@guarded
@attrs.frozen
class BearerAuth:
    """The token in the header `Authorization: Bearer`."""

    token: Token = attrs.field(converter=Token)

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Yield the request with the header."""
        yield put_header(request, "Authorization", Hidden(f"Bearer {self.token.reveal()}"))


def _check_name(_auth: object, _field: object, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"the name that the token goes under is not usable: {name[:40]!r}. Use letters, digits, and . _ ~ -"
        )


@guarded
@attrs.frozen
class HeaderAuth:
    """The token alone in a header of that name."""

    name: str = attrs.field(validator=_check_name)
    token: Token = attrs.field(converter=Token)

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Yield the request with the header."""
        yield put_header(request, self.name, Hidden(self.token.reveal()))


@guarded
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


def _token_of(auth: Auth) -> Token | None:
    """The secret of a flow, of which a flow of the user's own may have none."""
    token = getattr(auth, "token", None)
    if isinstance(token, str):
        with contextlib.suppress(ConfigurationError):
            return Token(token)
    return token if isinstance(token, Token) else None


def _without(token: Token, value: Any) -> Any:
    """A value without the token in its texts."""
    if isinstance(value, str):
        return token.hidden_in(value)
    if isinstance(value, list | tuple):
        return type(value)(_without(token, item) for item in value)
    return value


def hidden(auth: Auth, text: str) -> str:
    """A text of the server's without the flow's token, should it have been sent back."""
    token = _token_of(auth)
    return text if token is None else token.hidden_in(text)


def conceal(auth: Auth, response: Response) -> Response:
    """An answer without the flow's token, should a server have sent it back: an error may be made of it.

    Of a body only the first 64 KiB are kept.
    """
    token = _token_of(auth)
    if token is None:
        return response
    headers = {token.hidden_in(name): token.hidden_in(value) for name, value in response.headers.items()}
    body = token.hidden_in(response.body[:_BODY_SEARCHED].decode("latin-1")).encode("latin-1")
    return attrs.evolve(response, headers=headers, body=body)


def redact(auth: Auth, error: AsyncChatError) -> None:
    """Take out of an error what may show the flow's token: in its texts, in the frames and exceptions behind it.

    An exception behind it is told by a note.
    """
    behind = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if behind is not None:
        error.add_note(f"behind it: {type(behind).__name__}: {behind!s:.{_CAUSE_SHOWN}}")
    bare(error)
    token = _token_of(auth)
    if token is not None:
        error.args = _without(token, error.args)
        for name, value in vars(error).items():
            setattr(error, name, _without(token, value))
