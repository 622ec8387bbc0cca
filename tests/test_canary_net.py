"""The net of the canary tests: one that finds nothing must be able to find something."""

from __future__ import annotations

import asyncio
import base64
import gc
import html
import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from canary import TOKEN, Net

from asyncchat import APIConnectionError, AsyncChatError, Client, ServerError
from asyncchat.testing import MockTransport


def leaking(text: str) -> BaseException:
    """An exception whose frame, which is none of the tests' own, has a text among its locals."""
    space: dict[str, Any] = {}
    exec(compile("def fail(held):\n    raise OSError('plain')", "/elsewhere.py", "exec"), space)  # noqa: S102
    try:
        space["fail"](text)
    except OSError as error:
        return error
    raise AssertionError


def with_context(error: BaseException, leak: BaseException) -> BaseException:
    error.__context__, error.__suppress_context__ = leak, True
    return error


def with_note(error: BaseException, note: str) -> BaseException:
    error.add_note(note)
    return error


class Odd:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Odd({self.text!r})"


ERRORS: dict[str, Callable[[str], BaseException]] = {
    "message": lambda text: AsyncChatError(f"it broke: {text}"),
    "attribute": lambda text: ServerError("it broke", body=text),
    "path": lambda text: APIConnectionError("it broke", path=f"/x?key={text}"),
    "note": lambda text: with_note(AsyncChatError("it broke"), text),
    "suppressed context": lambda text: with_context(AsyncChatError("it broke"), OSError(text)),
    "group": lambda text: ExceptionGroup("two", [OSError("1"), OSError(text)]),
    "frame": leaking,
    "frame behind": lambda text: with_context(AsyncChatError("it broke"), leaking(text)),
    "container in a frame": lambda text: leaking({"Authorization": [text]}),  # type: ignore[arg-type]
    "object in a frame": lambda text: leaking(Odd(text)),  # type: ignore[arg-type]
}
WAYS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "cut": lambda text: text[3:11],
    "percent": lambda text: quote(text, safe=""),
    "json": lambda text: json.dumps(text)[1:-1],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "basic": lambda text: base64.b64encode(f"me:{text}".encode()).decode(),
    "html": html.escape,
    "lower": str.lower,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ERRORS)
def test_a_leak_in_an_error_is_found(kind: str, way: str) -> None:
    """A token that is planted in an exception, or in a frame behind it, is found, however it is spelled."""
    net = Net()
    net.look(ERRORS[kind](WAYS[way](TOKEN)))
    assert net.found


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_without_a_leak_is_let_through(kind: str) -> None:
    """The same exceptions with another text are let through."""
    net = Net()
    net.look(ERRORS[kind]("nothing of interest"))
    assert net.found == []
    assert net.total > 4


class Finalized:
    def __del__(self) -> None:
        raise OSError(TOKEN)


def _drop() -> None:
    Finalized()
    gc.collect()


async def _forget() -> None:
    task = asyncio.create_task(asyncio.sleep(0, result=int(TOKEN, 36) if TOKEN.isalnum() else None))
    await task
    asyncio.get_running_loop().call_exception_handler({"message": "lost", "exception": OSError(TOKEN)})


PLANTED: dict[str, Callable[[], object]] = {
    "log": lambda: logging.getLogger("aiohttp.client").debug("sent %s", TOKEN),
    "fields of a log record": lambda: logging.getLogger("asyncchat").info("sent", extra={"headers": {"A": TOKEN}}),
    "str": lambda: logging.getLogger("any").error("it broke", exc_info=OSError(TOKEN)),
    "warning": lambda: warnings.warn(f"unclosed {TOKEN}", ResourceWarning, stacklevel=1),
    "unraisable": _drop,
    "loop": lambda: asyncio.run(_forget()),
}


@pytest.mark.parametrize("channel", PLANTED)
def test_a_leak_in_a_channel_is_found(channel: str, leaks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is planted in a log record, a warning, a finalizer or a complaint of the loop is found."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # or pytest shows it, and conftest.py finds it there
    with Net().cast() as net:
        PLANTED[channel]()
    leaks.clear()
    assert net.found


def test_a_leak_in_a_file_is_found(tmp_path: Path) -> None:
    """A token in a file, or in its name, is found."""
    (tmp_path / TOKEN[:9]).write_bytes(b"\xff")
    (tmp_path / "file").write_bytes(b"\xff" + TOKEN.encode())
    for name in (TOKEN[:9], "file"):
        net = Net()
        net.file(tmp_path / name)
        assert net.found


def test_a_leak_in_any_test_is_found(leaks: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """A call of any test whose error shows a token of the suite would fail that test."""
    caplog.set_level(logging.CRITICAL, "asyncchat")  # or it is found in the log too, and fails this test

    def lost(_: object) -> Any:
        raise APIConnectionError("lost s3cr3t")

    with Client(transport=MockTransport(lost), retry=0) as chat, pytest.raises(APIConnectionError):
        chat.models.get(1)
    assert leaks
    leaks.clear()
