"""A token that is easy to find, and a net that greps whatever comes out for it."""

from __future__ import annotations

import base64
import contextlib
import functools
import html
import json
import linecache
import logging
import pickle
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

from attrs import define, field
from rich.traceback import Traceback

TESTS: Final = str(Path(__file__).parent)
TOKEN: Final = 'cNry-Zq7"x/Vw8+Kp=mJ4\\e&tU'
_WINDOW: Final = 7


def _aligned(text: str) -> list[str]:
    """The parts of a base64 text that do not depend on what stands around it."""
    return [base64.b64encode(b"?" * shift + text.encode()).decode()[4:-4] for shift in range(3)]


def spellings(token: str) -> list[str]:
    """How a token may be spelled, and each piece of it that is long enough to be no accident."""
    pieces = [token[i : i + _WINDOW] for i in range(max(1, len(token) - _WINDOW + 1))]
    escaped = "".join(f"\\u{ord(char):04x}" for char in token)
    return [
        *pieces,
        *(json.dumps(piece)[1:-1] for piece in pieces),
        *(repr(piece)[1:-1] for piece in pieces),
        quote(token, safe="")[:12],
        quote(token, safe="").lower()[:12],
        quote_plus(token)[-12:],
        html.escape(token)[-12:],
        escaped[:24],
        token.lower()[:_WINDOW],
        token.upper()[:_WINDOW],
        token.encode("utf-16-le").decode("latin-1")[: 2 * _WINDOW],
        token.encode().hex()[:14],
        *_aligned(token),
        *(text.replace("+", "-").replace("/", "_") for text in _aligned(token)),
    ]


def hits(text: str, looked_for: list[str]) -> list[str]:
    """The spellings that a text holds."""
    return [each for each in looked_for if each in text]


def parts(value: Any, depth: int = 3) -> Iterator[str]:
    """What tools show of a value: its repr, the reprs of what is in it, and the beginning of a text."""
    with contextlib.suppress(Exception):
        yield repr(value)
    if isinstance(value, str):
        yield repr(value[:80])
    if not depth:
        return
    if isinstance(value, Mapping):
        for pair in list(value.items()):
            yield from parts(pair[0], depth - 1)
            yield from parts(pair[1], depth - 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from parts(item, depth - 1)


def chain(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """An exception with all that is behind or in it, suppressed or not."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        yield from chain(other, seen)


def frames(error: BaseException) -> Iterator[tuple[str, str]]:
    """What the locals of the frames of a traceback show, but for those of the tests, which know the token."""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if not frame.f_code.co_filename.startswith(TESTS):
            for name, value in list(frame.f_locals.items()):
                for text in parts(value):
                    yield f"local {name} of {frame.f_code.co_qualname}, line {line}", text


def shown(error: BaseException) -> Iterator[tuple[str, str]]:
    """Every way in which an exception is shown: where, and what."""
    for each in chain(error, set()):
        name = type(each).__name__
        yield from ((f"{how.__name__} of {name}", how(each)) for how in (str, repr))
        for text in parts([vars(each), each.args]):
            yield f"attributes of {name}", text
        with contextlib.suppress(Exception):
            yield f"pickle of {name}", pickle.dumps(each).decode("latin-1")
        yield from frames(each)
    yield "traceback", "".join(traceback.format_exception(error))


def drawn(error: BaseException) -> Iterator[tuple[str, str]]:
    """A traceback with locals, as the standard library and rich draw it. Tests' own frames must hold no token."""
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    yield "traceback with locals", "".join(whole.format())
    trace = Traceback.extract(type(error), error, error.__traceback__, show_locals=True)
    for stack in trace.stacks:
        for frame in stack.frames:
            yield "rich traceback with locals", "".join(map(str, (frame.locals or {}).values()))


class _Records(logging.Handler):
    def __init__(self, net: Net) -> None:
        super().__init__(logging.DEBUG)
        self._net = net

    def emit(self, record: logging.LogRecord) -> None:
        self._net.add("log", logging.Formatter().format(record))
        for text in parts(vars(record)):
            self._net.add("fields of a log record", text)
        if record.exc_info and record.exc_info[1]:
            self._net.look(record.exc_info[1])


@define
class Net:
    """Looks for a token in whatever is thrown into it.

    Attributes:
        grepped: How many outputs were looked at, by channel.
        found: The channels and outputs in which the token was.
    """

    token: str = field(default=TOKEN, repr=False)
    grepped: dict[str, int] = field(factory=dict)
    found: list[tuple[str, str]] = field(factory=list, repr=False)
    _spellings: list[str] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._spellings = spellings(self.token)

    @property
    def total(self) -> int:
        return sum(self.grepped.values())

    def add(self, channel: str, text: str) -> None:
        """Look at an output."""
        kind = channel.split(" of ", maxsplit=1)[0] if not channel.startswith("local") else "local"
        self.grepped[kind] = self.grepped.get(kind, 0) + 1
        if hits(text, self._spellings):
            self.found.append((channel, text[:300]))

    def look(self, error: BaseException, *, draw: bool = True) -> None:
        """Look at an exception in every way in which it is shown."""
        for channel, text in (*shown(error), *(drawn(error) if draw else ())):
            self.add(channel, text)

    def file(self, path: Path) -> None:
        """Look at a file, and at its name."""
        self.add("file name", str(path))
        self.add("file", path.read_bytes().decode("latin-1"))

    @contextlib.contextmanager
    def cast(self) -> Iterator[Net]:
        """Catch log records of every logger, warnings, and exceptions that nobody could be told of."""
        root, handler, hook = logging.getLogger(), _Records(self), sys.unraisablehook
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)

        def unraisable(args: Any) -> None:
            self.add("unraisable", f"{args.err_msg} {args.object!r}")
            if args.exc_value is not None:
                self.look(args.exc_value)

        sys.unraisablehook = unraisable
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                yield self
            for warning in caught:
                self.add("warning", str(warning.message) + linecache.getline(warning.filename, warning.lineno))
        finally:
            sys.unraisablehook = hook
            root.removeHandler(handler)
            root.setLevel(level)


# ---- the whole suite

MARKS: Final = ("s3cr3t", "tok-4f1c2d", "t0ken", TOKEN[:_WINDOW])
"""How the tokens of the suite's helpers begin: found in no error, log record or output of any test."""


class Watch(logging.Handler):
    """Looks at every exception that leaves a call, in all tests, and at every log record.

    Attributes:
        looked: How many exceptions and records it has seen.
        leaks: Where a token was.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.looked = 0
        self.leaks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.grep("log record", f"{record.getMessage()} {vars(record)}")

    def grep(self, channel: str, text: str) -> None:
        self.looked += 1
        self.leaks += [f"{channel}: {text[:300]}" for mark in MARKS if mark in text]

    def wrapping(self, call: Any) -> Any:
        """A coroutine method whose exceptions are looked at."""

        @functools.wraps(call)
        async def watched(*args: Any, **named: Any) -> Any:
            with self._looking():
                return await call(*args, **named)

        return watched

    def wrapping_plain(self, call: Any) -> Any:
        """A plain method whose exceptions are looked at."""

        @functools.wraps(call)
        def watched(*args: Any, **named: Any) -> Any:
            with self._looking():
                return call(*args, **named)

        return watched

    @contextlib.contextmanager
    def _looking(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            for channel, text in shown(error):
                self.grep(channel, text)
            raise
