"""The server: a sandbox in a thread of its own, for sync, asyncio and anyio callers alike."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar, Unpack

from aiohttp import web

from asyncchat.sandbox.audit import Audit
from asyncchat.sandbox.behaviour import Behaviour
from asyncchat.sandbox.data.clock import Clock, Source
from asyncchat.sandbox.data.generate import Plan
from asyncchat.sandbox.data.live import Live
from asyncchat.sandbox.data.store import Store
from asyncchat.sandbox.hooks.notices import Campaign, Options
from asyncchat.sandbox.hooks.sender import WebhookReport, send_from
from asyncchat.sandbox.insight import Insight
from asyncchat.sandbox.mishaps.script import Played, Script
from asyncchat.sandbox.serving import routes
from asyncchat.sandbox.serving.control import Control
from asyncchat.sandbox.serving.current import Changes, Current
from asyncchat.sandbox.serving.edge import CountingServer, Edge
from asyncchat.sandbox.serving.listening import BACKLOG, listen
from asyncchat.sandbox.serving.service import Service
from asyncchat.sandbox.serving.steering import Steering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from concurrent.futures import Future
    from contextlib import AbstractAsyncContextManager

    from asyncchat._types import JSON
    from asyncchat.sandbox.audit import Entry
    from asyncchat.sandbox.mishaps.faults import Fault

GRACE: Final = 0.05
"""Seconds that requests in flight get when the sandbox stops."""
_LAST_PORT: Final = 65_535
T = TypeVar("T")


class Sandbox(Insight):
    """The chat platform's API on a local port, with made-up chats.

    Use it as `with Sandbox() as box:`, as `async with`, or between `start()` and `stop()`. The same seed and sizes
    give the same rows. Times in it end on 2025-06-30, whatever the day is; what live traffic changes is stamped by the
    sandbox's clock.

    Args:
        seed: Another seed gives other chats.
        models: How many models.
        conversations: How many conversations.
        messages_mean: Messages in a conversation on average.
        token: What a caller has to send.
        host: The address to listen on.
        port: The port to listen on; 0: any free one.
        database: An SQLite file, generated on first use and taken again for the same seed and sizes; or ":memory:".
        clock: Epoch seconds at which time stands until `advance`, or a function that gives them; None: wall clock.
        faults: What shall go wrong; see `Fault`.
        behaviour: Any field of `Behaviour`, such as `latency=0.1`.

    Raises:
        ValueError: If an argument makes no sense.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        models: int = 5,
        conversations: int = 1_000,
        messages_mean: float = 10.0,
        token: str = "sandbox-token",  # noqa: S107 - it opens nothing but this
        host: str = "127.0.0.1",
        port: int = 0,
        database: str = ":memory:",
        clock: Source = None,
        faults: Iterable[Fault] = (),
        **behaviour: Unpack[Changes],
    ) -> None:
        super().__init__()
        if not token:
            raise ValueError("the token is empty: give any text that callers have to send")
        if not 0 <= port <= _LAST_PORT:
            raise ValueError(f"the port is {port}: give one from 1 to {_LAST_PORT}, or 0 for any free one")
        self._plan = Plan(seed=seed, models=models, conversations=conversations, messages_mean=messages_mean)
        self.seed, self.models, self.conversations, self.messages_mean = seed, models, conversations, messages_mean
        self.token, self.host, self.port, self.database = token, host, port, database
        self._current = Current(Behaviour(**behaviour))
        Clock(clock)  # refuses what makes no sense
        self._clock = clock
        self._script = Script(seed, faults)
        self._audit = Audit()
        self._bound_port = 0

    def __repr__(self) -> str:
        return f"<Sandbox of seed {self.seed} on {self.host}, port {self._bound_port or self.port}>"

    @property
    def behaviour(self) -> Behaviour:
        """How it behaves now."""
        return self._current.behaviour

    @property
    def auth(self) -> str:
        """Where callers put the token now."""
        return self._current.behaviour.auth

    def faults(self, *faults: Fault) -> list[Played]:
        """Add faults to the script, as `POST /_sandbox/faults` does, and give all of it with what came of it."""
        return self._script.add(faults)

    def clear_faults(self) -> None:
        """Let nothing go wrong from the next request on, as `DELETE /_sandbox/faults` does."""
        self._script.clear()

    def behave(self, **changes: Unpack[Changes]) -> Behaviour:
        """Behave otherwise from the next request on, as `PATCH /_sandbox/behaviour` does.

        Args:
            changes: Any field of `Behaviour`.

        Returns:
            All of the behaviour.

        Raises:
            ValueError: If a value makes no sense.
        """
        return self._current.change(**changes)

    @property
    def origin(self) -> str:
        """Such as `http://127.0.0.1:8080`.

        Raises:
            RuntimeError: If the sandbox is not running.
        """
        self._running()
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self._bound_port}"

    @property
    def base_url(self) -> str:
        """The origin and the API's prefix, such as `http://127.0.0.1:8080/v1`.

        Raises:
            RuntimeError: If the sandbox is not running.
        """
        return self.origin + routes.PREFIX

    def stats(self) -> dict[str, JSON]:
        """What was counted since the start or the last reset, as `GET /_sandbox/stats` gives it; also after a stop."""
        return self._audit.summary()

    def requests(self) -> list[Entry]:
        """The last 10,000 requests under `/v1` in the order in which they were over; also after a stop."""
        return self._audit.log()

    def send_webhooks(self, url: str, **options: Unpack[Options]) -> WebhookReport:
        """Send keyword notifications of its conversations to a receiver, and wait until that is over.

        Args:
            url: Where to.
            options: How many, how fast, how often, how bad; see `Campaign`.

        Raises:
            RuntimeError: If the sandbox is not running.
            ValueError: If an option makes no sense.
        """
        return self._send(Campaign(url=url, **options)).result()

    async def send_webhooks_async(self, url: str, **options: Unpack[Options]) -> WebhookReport:
        """`send_webhooks` for a receiver in this loop; cancelling it ends the sending."""
        return await asyncio.wrap_future(self._send(Campaign(url=url, **options)))

    def _send(self, campaign: Campaign) -> Future[WebhookReport]:
        background = self._running()
        return background.submit(send_from(background.ready.result().primary, campaign, self.seed))

    def _prepare(self) -> tuple[AbstractAsyncContextManager[Live], str]:
        listener = listen(self.host, self.port)
        self._bound_port = listener.getsockname()[1]
        self._audit = Audit()
        self._script.rewind()
        return self._serve(listener), f"asyncchat-sandbox-{self._bound_port}"

    @asynccontextmanager
    async def _serve(self, listener: socket.socket) -> AsyncIterator[Live]:
        with listener:
            live = Live(Store.open(self.database, self._plan), self._current, Clock(self._clock), self._plan)
            runner = web.ServerRunner(self._server(live), shutdown_timeout=GRACE)
            try:
                await runner.setup()
                await web.SockSite(runner, listener, backlog=BACKLOG).start()
                async with live.ticking():
                    yield live
            finally:
                await runner.cleanup()
                live.close()

    def _server(self, live: Live) -> CountingServer:
        api = routes.Api(live, self._current, self._plan)
        service = Service(api.answer, self._current, self._audit, token=self.token, seed=self.seed)
        steering = Steering(
            self._audit, self._current, self._script, lambda campaign: send_from(live.primary, campaign, self.seed)
        )
        control = Control(live, self._plan, steering)
        return CountingServer(Edge(service, control, self._script, self._audit), self._audit)
