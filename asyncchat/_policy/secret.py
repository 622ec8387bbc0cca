"""A secret shows itself to nobody, and knows itself in what others say.

Tracebacks are sent to logs and to services together with the locals of every frame. So there are three rules: a secret
stands in no local as a plain text but where it goes out, an exception leaves the frames where it does behind (`bare`),
and whatever text a server gives is searched for the secret before it is put into an error.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import re
from collections.abc import Callable
from typing import Final, NoReturn, ParamSpec, TypeVar

import attrs

from asyncchat.errors import ConfigurationError

E = TypeVar("E", bound=BaseException)
K = TypeVar("K", bound=type)
P = ParamSpec("P")
R = TypeVar("R")

HIDDEN: Final = "***"
_TELLING: Final = 4
"""Shorter tokens can be tried out in no time: they are no secret, and looking for them would blot out words."""
_WORDS: Final = 8
"""Shorter tokens are looked for as words of their own only."""
_ESCAPE: Final = re.compile(r"[\0%&\\]")
"""What begins each spelling of a character but the plain one."""
_PLAIN: Final = re.compile(r"[\x21-\x7e]+")
_ENTITIES: Final = {'"': "&quot;", "&": "&amp;", "'": "&apos;", "<": "&lt;", ">": "&gt;"}


def bare(error: E) -> E:
    """An exception without the frames and exceptions behind it: their locals may hold what was sent.

    Of a cancellation the ones behind it stay, bare too: an event loop's library finds its own among them.
    """
    behind = error.__context__
    kept = isinstance(behind, asyncio.CancelledError) and isinstance(error, asyncio.CancelledError)
    error.__cause__ = None
    error.__context__ = bare(behind) if behind is not None and kept else None
    return error.with_traceback(None)


def out_of_sight(function: Callable[P, R]) -> Callable[P, R]:
    """Let no frame of a function that is handed a secret stand in the traceback of what it raises."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as exc:  # noqa: BLE001 - it is raised again, below
            failure = bare(exc)
        del args, kwargs
        try:
            raise failure
        finally:
            del failure

    return call


def guarded(kind: K) -> K:
    """Make a class whose `__init__` is handed a secret `out_of_sight`."""
    setattr(kind, "__init__", out_of_sight(getattr(kind, "__init__")))  # noqa: B009, B010 - mypy refuses the plain form
    return kind


class Hidden(str):
    """A text that is sent as it is, and shown to nobody: neither by a repr, nor cut, nor in a pickle."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(HIDDEN)

    def __getitem__(self, key: object) -> Hidden:  # rich and others shorten first and ask for a repr then
        return Hidden(super().__getitem__(key))  # type: ignore[index]

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a request that holds the token is not pickled or copied: take the one before the auth flow")


def _ways(char: str) -> str:
    """A pattern of the spellings of one character: plain, in a URL, in JSON, in a repr, in HTML, in UTF-16."""
    code = f"{ord(char):02x}"
    plain = r"(?>\\\\|\\)" if char == "\\" else rf"\\{{0,4}}+{re.escape(char)}"
    entity = f"|{_ENTITIES[char]}" if char in _ENTITIES else ""
    return rf"\0{{0,3}}+(?:{plain}|%(?:25)?{code}|\\+(?:u00|x){code}|&#(?:0*{ord(char)}|x0*{code});{entity})"


def _base64(secret: bytes) -> list[str]:
    """What base64 makes of a secret inside of a longer text, which may begin at each of three places."""
    texts = [base64.b64encode(b"\0" * shift + secret).decode() for shift in range(3)]
    return [text[-(-8 * shift // 6) : 8 * (shift + len(secret)) // 6] for shift, text in enumerate(texts)]


@attrs.frozen
class _Finder:
    """Finds a token, in any case, however it is spelled.

    Args:
        forms: The token as it is and in base64, in lower case: a text without escapes has one of them, or no token.
        pattern: Finds it in any text, at some length.
    """

    forms: tuple[str, ...]
    pattern: re.Pattern[str]

    @classmethod
    def of(cls, text: str) -> _Finder:
        """What finds that token."""
        if len(text) < _WORDS:
            pattern = re.compile(rf"(?<!\w){''.join(map(_ways, text))}(?!\w)", re.IGNORECASE)
            return cls((text.lower(),), pattern)
        coded = _base64(text.encode())
        forms = [text, *coded, *(code.replace("+", "-").replace("/", "_") for code in coded)]
        pattern = re.compile("|".join("".join(map(_ways, form)) for form in forms), re.IGNORECASE)
        return cls(tuple({form.lower() for form in forms}), pattern)

    def blot_out(self, text: str) -> str:
        """The text without the token."""
        if text.isascii() and not _ESCAPE.search(text):
            lower = text.lower()
            if not any(form in lower for form in self.forms):
                return text
        return self.pattern.sub(HIDDEN, text)


def _complaint(text: object) -> str | None:
    """Why a text is no token, None if it is one."""
    if not isinstance(text, str):
        return f"the token must be a text, not {type(text).__name__}"
    if not text.strip():
        return "the token is empty: give token=, or set ASYNCCHAT_API_TOKEN"
    if not _PLAIN.fullmatch(text.strip()):
        return "the token holds a space, a line end or a character outside ASCII: it was probably copied wrongly"
    return None


@guarded
class Token:
    """A secret that shows itself only to the auth flow that asks for `reveal()`.

    Neither `repr`, `str`, `format`, `vars` nor a pickle or copy has it. It also takes itself out of texts. There, a
    token of fewer than 8 characters is found as a word of its own only, and one of fewer than 4 not at all: so short,
    it is no secret, and stands by chance in every other word.
    """

    __slots__ = ("_finder", "_text")

    def __init__(self, text: str | Token) -> None:
        """Take a token; space and line ends around it are dropped.

        Raises:
            ConfigurationError: It is empty, or holds anything but printable ASCII without spaces.
        """
        wrong = None if isinstance(text, Token) else _complaint(text)
        if wrong:
            raise ConfigurationError(wrong)
        self._text = text.reveal() if isinstance(text, Token) else text.strip()
        self._finder: _Finder | None = None

    def reveal(self) -> str:
        """The secret itself."""
        return self._text

    def hidden_in(self, text: str) -> str:
        """A text with the token blotted out, however it is spelled there."""
        if len(self._text) < _TELLING:
            return text
        if self._finder is None:
            self._finder = _Finder.of(self._text)
        return self._finder.blot_out(text)

    def __repr__(self) -> str:
        return f"Token({HIDDEN!r})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token is not pickled: give it to the other process by its environment")
