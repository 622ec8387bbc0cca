"""One call from the client to its answer: retry(limit(auth(send))). Only here anything waits."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import TypeVar

import anyio
import attrs

from asyncchat._events import Event, PauseEvent, RequestEvent, ResponseEvent, RetryEvent
from asyncchat._policy.auth import Auth, conceal, redact
from asyncchat._policy.limits import Concurrency, Pace, Pause
from asyncchat._policy.options import CallOptions
from asyncchat._policy.retry import THROTTLED, RetryQuota
from asyncchat._transport.base import Transport
from asyncchat._types import Clock
from asyncchat._wire.request import Request
from asyncchat._wire.response import Response, status_error
from asyncchat.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncChatError,
    ConfigurationError,
    DecodeError,
)

T = TypeVar("T")

_log = logging.getLogger("asyncchat")


@attrs.define
class _Call:
    """How far one call has come."""

    request: Request
    options: CallOptions
    started: float
    attempt: int = 0
    failure: AsyncChatError | None = None

    def time_left(self, now: float) -> float | None:
        deadline = self.options.deadline
        return None if deadline is None else self.started + deadline - now

    def attempt_timeout(self, now: float) -> float | None:
        bounds = [bound for bound in (self.options.timeout, self.time_left(now)) if bound is not None]
        return min(bounds, default=None)

    def tell(self, event: Event) -> None:
        for hook in self.options.hooks:
            hook(event)

    def signed(self, error: AsyncChatError, now: float) -> AsyncChatError:
        """The error with what this call knows."""
        if isinstance(error, APIConnectionError | APIStatusError | DecodeError):
            error.method, error.path = self.request.method, self.request.path
            error.attempts, error.elapsed = max(self.attempt, 1), now - self.started
        return error


class Pipeline:
    """Sends calls under the policies that all views of one client share.

    Args:
        transport: Sends one request.
        auth: Authorises requests.
        clock: Tells the time and waits.
        max_concurrency: Requests in flight at most; fewer for a while after a 429 or 503.
        max_rate: Requests a second at most, None for no bound.
    """

    def __init__(
        self, transport: Transport, auth: Auth, *, clock: Clock, max_concurrency: int, max_rate: float | None
    ) -> None:
        self._transport = transport
        self._auth = auth
        self._clock = clock
        self._slots = anyio.CapacityLimiter(max_concurrency)
        self._concurrency = Concurrency(max_concurrency, max_concurrency)
        self._pace = Pace(rate=max_rate)
        self._pause = Pause()
        self._quota = RetryQuota()
        self._closed = False

    async def call(self, request: Request, read: Callable[[Response], T], options: CallOptions) -> T:
        """Send a request, again where the policy says so, and read its answer.

        Raises:
            AsyncChatError: What the last attempt ended with.
        """
        self._check_open()
        call = _Call(request, options, self._clock.monotonic())
        with anyio.move_on_after(options.deadline):
            return await self._until_done(call, read)
        raise self._out_of_time(call)

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigurationError("this client is closed: make a new one, or stay inside `async with`")

    async def _until_done(self, call: _Call, read: Callable[[Response], T]) -> T:
        while True:
            try:
                result = await self._attempt(call, read)
            except AsyncChatError as exc:
                redact(self._auth, exc)
                delay = self._decide(call, exc)
                if delay is None:
                    raise call.signed(exc, self._clock.monotonic()) from None
                call.failure = exc
            else:
                self._quota = self._quota.refund(call.failure)
                self._allow(self._concurrency.faster())
                return result
            await self._clock.sleep(delay)

    def _decide(self, call: _Call, error: AsyncChatError) -> float | None:
        """Seconds until the next attempt, None for none."""
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        delay = call.options.retry.decide(call.attempt, error, method=call.request.method, jitter=jitter)
        self._slow_down(call, error, delay)
        left = call.time_left(self._clock.monotonic())
        quota = self._quota.spend(error)
        if delay is None or quota is None or self._closed or (left is not None and delay >= left):
            return None
        self._quota = quota
        _log.info("%s %s: retry in %.2f s", call.request.method, call.request.path, delay)
        call.tell(
            RetryEvent(
                method=call.request.method,
                path=call.request.path,
                attempt=call.attempt,
                delay=delay,
                reason=str(error.args[0]),
            )
        )
        return delay

    async def _attempt(self, call: _Call, read: Callable[[Response], T]) -> T:
        async with self._slots:
            await self._wait_for_turn()
            call.attempt += 1
            response = await self._authorised(call)
        if response.is_success:
            return read(response)
        error = status_error(conceal(self._auth, response), now=self._clock.time())
        if error is None:
            return read(response)
        raise error

    async def _wait_for_turn(self) -> None:
        self._pace, delay = self._pace.book(self._clock.monotonic())
        if delay > 0:
            await self._clock.sleep(delay)
        while (delay := self._pause.wait(self._clock.monotonic())) > 0:
            await self._clock.sleep(delay)

    async def _authorised(self, call: _Call) -> Response:
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

    async def _send(self, call: _Call, request: Request) -> Response:
        method, path, attempt = request.method, request.path, call.attempt
        self._check_open()
        call.tell(RequestEvent(method=method, path=path, attempt=attempt))
        began = self._clock.monotonic()
        timeout = call.attempt_timeout(began)
        response = await self._transport.send(request, timeout=timeout, max_body=call.options.max_body)
        elapsed = self._clock.monotonic() - began
        _log.debug("%s %s: %d in %.3f s", method, path, response.status, elapsed)
        call.tell(
            ResponseEvent(
                method=method,
                path=path,
                attempt=attempt,
                status=response.status,
                size=len(response.body),
                elapsed=elapsed,
            )
        )
        return response

    def _slow_down(self, call: _Call, error: AsyncChatError, delay: float | None) -> None:
        """A 429 or 503 pauses the whole client: as long as the server asks, else as long as this call waits."""
        if not isinstance(error, APIStatusError) or error.status not in THROTTLED:
            return
        asked = error.retry_after
        seconds = (delay or 0.0) if asked is None else min(asked, call.options.retry.max_retry_after)
        now = self._clock.monotonic()
        if not self._pause.wait(now):  # of many that were in flight together, the first one counts
            self._allow(self._concurrency.slower())
        if seconds > 0:
            self._pause = self._pause.extended(now, seconds)
            call.tell(PauseEvent(seconds=seconds, status=error.status))

    def _allow(self, concurrency: Concurrency) -> None:
        if concurrency.slots != self._concurrency.slots:
            self._slots.total_tokens = concurrency.slots
        self._concurrency = concurrency

    def _out_of_time(self, call: _Call) -> AsyncChatError:
        last = f"; the attempt before ended with: {call.failure.args[0]}" if call.failure else ""
        error = APITimeoutError(
            f"the deadline of {call.options.deadline:g} s has passed{last}: the server is slow, or deadline= too short",
            sent=call.attempt > 0,
        )
        return call.signed(error, self._clock.monotonic())

    async def aclose(self) -> None:
        """Close the transport. May be called twice."""
        self._closed = True
        await self._transport.aclose()
