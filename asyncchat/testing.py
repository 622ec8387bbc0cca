"""Test doubles: a transport that answers from a script, and a clock that does not wait.

For tests against a whole API, pytest gets the fixtures `chat_sandbox`, `chat_client` and `async_chat_client` by itself:
see `asyncchat.integrations.pytest_plugin`.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, TypeAlias

from asyncchat._wire.request import Request
from asyncchat._wire.response import Response

__all__ = ["FakeClock", "MockTransport", "json_response"]

Answer: TypeAlias = Response | Exception
Handler: TypeAlias = Callable[[Request], "Answer | Awaitable[Answer]"]


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer with a JSON body."""
    return Response(
        status=status,
        headers={"content-type": "application/json", **(headers or {})},
        body=json.dumps(value).encode(),
    )


class FakeClock:
    """A clock that jumps ahead instead of waiting.

    Attributes:
        slept: Every wait so far, in seconds.
    """

    def __init__(self, now: float = 1_750_000_000.0) -> None:
        self._start = now
        self._passed = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._passed

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._start + self._passed

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._passed += seconds

    async def sleep(self, seconds: float) -> None:
        """Let time pass, and other tasks have a turn."""
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


class MockTransport:
    """Answers requests without a network.

    Args:
        answers: A function from request to answer, which may be awaited; or answers in the order of the requests. An
            exception among them is raised.
        clock: The client's clock, if it is not given one itself.

    Attributes:
        requests: What was sent, as it would have gone out.
        closed: Whether the client was closed.
    """

    def __init__(self, answers: Handler | Iterable[Answer], *, clock: FakeClock | None = None) -> None:
        self._handler: Handler = answers if callable(answers) else _Script(iter(answers))
        self.clock = clock or FakeClock()
        self.requests: list[Request] = []
        self.closed = False

    async def send(self, request: Request, *, timeout: float | None, max_body: int) -> Response:  # noqa: ASYNC109, ARG002
        """Answer a request."""
        self.requests.append(request)
        answer = self._handler(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Note that the client was closed."""
        self.closed = True


class _Script:
    def __init__(self, answers: Iterator[Answer]) -> None:
        self._answers = answers

    def __call__(self, request: Request) -> Answer:
        for answer in self._answers:
            return answer
        raise AssertionError(f"the script has no answer left for {request!r}")
