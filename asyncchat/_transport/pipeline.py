"""One call from the client to its answer: retry(limit(auth(send))). Only here anything waits."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

import anyio

from asyncchat._events import FailureEvent, PauseEvent, RequestEvent, ResponseEvent, RetryEvent
from asyncchat._policy.auth import Auth, conceal, redact
from asyncchat._policy.limits import Concurrency
from asyncchat._policy.load import Load
from asyncchat._policy.options import CallOptions
from asyncchat._policy.rate import Rate
from asyncchat._policy.retry import THROTTLED, worth_retrying
from asyncchat._transport.base import Transport
from asyncchat._transport.call import Call
from asyncchat._transport.slots import Slots
from asyncchat._transport.telling import is_heard, tell
from asyncchat._types import Clock
from asyncchat._wire.request import Request
from asyncchat._wire.response import Response, status_error
from asyncchat.errors import APIStatusError, APITimeoutError, AsyncChatError, ConfigurationError

T = TypeVar("T")

_GLANCE = 1.0
"""Seconds after which a call that waits out an outage looks whether it is over."""


class Pipeline:
    """Sends calls under the policies that all views of one client share.

    Args:
        transport: Sends one request.
        auth: Authorises requests.
        clock: Tells the time and waits.
        max_concurrency: Requests in flight at most; how many really, is learned.
        max_rate: Requests a second at most, None for no bound but what is learned.
        base_url: For the URLs that hooks are told; None: they are told none.
    """

    def __init__(
        self,
        transport: Transport,
        auth: Auth,
        *,
        clock: Clock,
        max_concurrency: int,
        max_rate: float | None,
        base_url: str | None = None,
    ) -> None:
        self._transport = transport
        self._auth = auth
        self._clock = clock
        self._base_url = base_url
        self._load = Load(concurrency=Concurrency(max_concurrency), rate=Rate(max_rate))
        self._slots = Slots(self._load.concurrency.slots)
        self._in_flight = 0
        self._closed = False

    async def call(self, request: Request, read: Callable[[Response], T], options: CallOptions) -> T:
        """Send a request, again where the policy says so, and read its answer.

        Raises:
            AsyncChatError: What the last attempt ended with.
        """
        self._check_open()
        call = Call(request, options, self._clock.monotonic())
        with anyio.move_on_after(options.deadline):
            return await self._until_done(call, read)
        raise call.out_of_time(self._clock.monotonic())

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigurationError("this client is closed: make a new one, or stay inside `async with`")

    async def _until_done(self, call: Call, read: Callable[[Response], T]) -> T:
        while True:
            await self._slots.take(first=call.attempt > 0)
            try:
                await self._wait_for_turn(call)
                try:
                    return await self._attempt(call, read)
                except AsyncChatError as exc:
                    delay = self._after(call, exc)
            finally:
                self._slots.give_back()
            if delay > 0:
                await self._clock.sleep(delay)

    async def _wait_for_turn(self, call: Call) -> None:
        """Wait for the end of a pause, for a probe's time in an outage, and for a place at the rate."""
        while True:
            while (wait := self._held(call)) > 0:
                await self._clock.sleep(wait)
            rate, place = self._load.rate, self._load.book(self._clock.monotonic())
            if place <= 0:
                return
            await self._clock.sleep(place)
            if rate is self._load.rate and not self._held(call):
                return

    def _held(self, call: Call) -> float:
        """Seconds until the call may go on, as far as they are known.

        Raises:
            APIStatusError: The pause that the server asked for is longer than the call can wait.
        """
        now = self._clock.monotonic()
        pause = self._load.pause.wait(now)
        if pause > call.patience(now):
            raise call.turned_away(self._load.pause.status, pause, now)
        if pause > 0 or not call.options.retry.patience:
            return pause
        return min(self._load.probe(now), _GLANCE)

    async def _attempt(self, call: Call, read: Callable[[Response], T]) -> T:
        call.attempt += 1
        call.sent_at = self._clock.monotonic()
        self._in_flight += 1
        try:
            response = await self._authorised(call)
        finally:
            self._in_flight -= 1
        error = None
        if not response.is_success:
            error = status_error(conceal(self._auth, response), now=self._clock.time())
        if error is not None:
            raise error
        result = read(response)
        self._learn(call, response)
        return result

    async def _authorised(self, call: Call) -> Response:
        """Walk the auth flow: every request it yields is sent, the last answer counts."""
        flow = self._auth.auth_flow(call.request)
        request = next(flow)
        try:
            while True:
                response = await self._send(call, request)
                try:
                    request = flow.send(response)
                except StopIteration:
                    return response
        finally:
            flow.close()

    async def _send(self, call: Call, request: Request) -> Response:
        self._check_open()
        began = self._clock.monotonic()
        timeout = call.attempt_timeout(began)
        if not is_heard(call.options.hooks):
            return await self._transport.send(request, timeout=timeout, max_body=call.options.max_body)
        request = self._announced(call, request)
        try:
            response = await self._transport.send(request, timeout=timeout, max_body=call.options.max_body)
        except BaseException as exc:
            self._tell_failure(call, exc, self._clock.monotonic() - began)
            raise
        elapsed = self._clock.monotonic() - began
        size = len(response.body)
        tell(call.options.hooks, ResponseEvent(**call.facts, status=response.status, size=size, elapsed=elapsed))
        return response

    def _announced(self, call: Call, request: Request) -> Request:
        """Tell of a request, and give it with the headers that hooks put in."""
        event = RequestEvent(**call.facts, url=call.url(self._base_url))
        tell(call.options.hooks, event)
        for name, value in event.headers.items():
            request = request.with_header(name, value)
        return request

    def _tell_failure(self, call: Call, exc: BaseException, elapsed: float) -> None:
        if isinstance(exc, AsyncChatError):
            redact(self._auth, exc)
        reason = str(exc.args[0]) if isinstance(exc, AsyncChatError) else "the call was given up"
        tell(
            call.options.hooks,
            FailureEvent(**call.facts, error=type(exc).__name__, reason=reason, elapsed=elapsed),
        )

    def _learn(self, call: Call, response: Response) -> None:
        """Learn from a success."""
        now = self._clock.monotonic()
        self._load.succeeded(now, now - call.sent_at, busy=self._slots.all_taken)
        self._apply()
        self._keep_to_budget(call, response, now)

    def _keep_to_budget(self, call: Call, response: Response, now: float) -> None:
        budget = response.budget(self._clock.time())
        if budget is not None:
            pause = self._load.budget(now, budget, in_flight=self._in_flight, status=response.status)
            self._tell_pause(call, pause, response.status)

    def _apply(self) -> None:
        slots = self._load.concurrency.slots
        if slots != self._slots.total:
            self._slots.total = slots

    def _tell_pause(self, call: Call, seconds: float, status: int) -> None:
        if seconds > 0:
            tell(call.options.hooks, PauseEvent(seconds=seconds, status=status))

    def _after(self, call: Call, error: AsyncChatError) -> float:
        """Seconds until the next attempt.

        Raises:
            AsyncChatError: The error, when there is none.
        """
        redact(self._auth, error)
        now = self._clock.monotonic()
        call.failing_since = min(call.failing_since, now)
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        delay = call.options.retry.decide(call.attempt, error, method=call.request.method, jitter=jitter)
        self._slow_down(call, error, now, delay or 0.0)
        delay = self._affordable(call, error, now, delay)
        if delay is None or self._closed:
            raise call.signed(error, now) from None
        call.failure = error
        tell(call.options.hooks, RetryEvent(**call.facts, delay=delay, reason=str(error.args[0])))
        return delay

    def _slow_down(self, call: Call, error: AsyncChatError, now: float, delay: float) -> None:
        """A 429 or 503 pauses the whole client, and there are fewer requests at once after it, as after a timeout."""
        if isinstance(error, APIStatusError):
            if error.status in THROTTLED:
                pause = self._load.throttled(now, error, sent_at=call.sent_at, delay=delay)
                self._tell_pause(call, pause, error.status)
            elif not worth_retrying(1, error, call.request.method):
                self._load.answered(now)
        elif isinstance(error, APITimeoutError) and error.sent:
            self._load.timed_out(now, sent_at=call.sent_at)
        self._apply()

    def _affordable(self, call: Call, error: AsyncChatError, now: float, delay: float | None) -> float | None:
        """The delay if the deadline leaves time for it and the quota pays it; 0.0 if the outage is waited out."""
        left = call.time_left(now)
        if delay is not None and (left is None or delay < left) and self._load.pay(now, error, sent_at=call.sent_at):
            return delay
        patience = call.options.retry.patience
        if not patience or not worth_retrying(1, error, call.request.method):
            return None
        unpaid = delay is not None
        return (
            0.0 if (unpaid or self._load.is_down(call.failing_since)) and self._load.wait_out(now, patience) else None
        )

    async def aclose(self) -> None:
        """Close the transport. May be called twice."""
        self._closed = True
        await self._transport.aclose()
