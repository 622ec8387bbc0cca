"""One call from the client to its answer: retry(limit(auth(send))). Only here anything waits."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable
from typing import Final, TypeVar

from asyncchat._events import Ended, GiveUpEvent, LimitEvent, PauseEvent, RetryEvent
from asyncchat._policy.auth import Auth, conceal, redact
from asyncchat._policy.limits import Concurrency
from asyncchat._policy.load import Load
from asyncchat._policy.options import CallOptions
from asyncchat._policy.rate import Rate
from asyncchat._policy.retry import THROTTLED, worth_retrying
from asyncchat._transport.alarms import Alarms
from asyncchat._transport.base import Transport
from asyncchat._transport.call import Call
from asyncchat._transport.sender import Sender
from asyncchat._transport.slots import Slots
from asyncchat._transport.telling import tell
from asyncchat._types import Clock
from asyncchat._wire.request import Request
from asyncchat._wire.response import Response, looks_like_json, status_error
from asyncchat.errors import APIStatusError, APITimeoutError, AsyncChatError

T = TypeVar("T")

_GLANCE: Final = 1.0
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
        self._sender = Sender(transport, auth, clock=clock, base_url=base_url)
        self._load = Load(concurrency=Concurrency(max_concurrency), rate=Rate(max_rate))
        self._slots = Slots(self._load.concurrency.slots)
        self._turn = asyncio.Lock()
        self._alarms = Alarms()

    async def call(self, request: Request, read: Callable[[Response], T], options: CallOptions) -> T:
        """Send a request, again where the policy says so, and read its answer.

        Raises:
            AsyncChatError: What the last attempt ended with.
        """
        return await self._run(Call(request, options, self._clock.monotonic()), read)

    async def ask(self, request: Request, read: Callable[[Response], T], options: CallOptions) -> Callable[[], T]:
        """Send a request as `call` does, and give what reads its answer, should it be JSON by its looks: later.

        Raises:
            AsyncChatError: What the last attempt ended with. What is given raises it where the answer cannot be read.
        """
        call = Call(request, options, self._clock.monotonic())
        answer = await self._run(call, lambda answer: answer if looks_like_json(answer) else read(answer))
        if not isinstance(answer, Response):
            return lambda: answer
        return functools.partial(self._read, call, answer, read, self._clock.monotonic())

    def _read(self, call: Call, answer: Response, read: Callable[[Response], T], now: float) -> T:
        try:
            return read(answer)
        except AsyncChatError as exc:
            redact(self._auth, exc)
            call.sign(exc, now)
            failure = exc
        raise failure  # out of the handler, as when it is read at once

    async def _run(self, call: Call, read: Callable[[Response], T]) -> T:
        self._sender.check_open()
        with self._alarms.within(call.options.deadline):
            return await self._until_done(call, read)
        if self._sender.closed:
            raise self._given_up(call, call.closed(), "answer")
        raise self._given_up(call, call.out_of_time(), "deadline")

    async def _until_done(self, call: Call, read: Callable[[Response], T]) -> T:
        while True:
            if not self._load.is_free(self._clock.monotonic()):
                await self._wait_out(call)
            await self._slots.take(first=call.attempt > 0)
            try:
                if self._load.is_free(now := self._clock.monotonic()) and not self._turn.locked():
                    call.depart(now)
                elif not await self._has_turn(call):
                    continue
                try:
                    return await self._attempt(call, read)
                except AsyncChatError as exc:
                    delay = self._after(call, exc)
            finally:
                self._slots.give_back()
            if delay > 0:
                await self._clock.sleep(delay)

    async def _wait_out(self, call: Call) -> None:
        while (wait := self._held(call, self._clock.monotonic())) > 0:
            await self._clock.sleep(min(wait, _GLANCE) if call.options.retry.patience else wait)

    def _held(self, call: Call, now: float) -> float:
        """Seconds until a pause ends, or in an outage the next probe may go, as far as that is known.

        Raises:
            APIStatusError: The pause is longer than the call can wait.
        """
        held = self._load.held(now, patient=call.options.retry.patience > 0)
        if held > 0:
            pause = self._load.pause.wait(now)
            if pause > call.patience(now):
                raise self._given_up(call, call.turned_away(self._load.pause.status, pause), "pause")
        return held

    async def _has_turn(self, call: Call) -> bool:
        """Wait for a place at the rate, and take it; False when a pause has begun meanwhile.

        Only the first in the queue has its eye on the clock: who is cancelled leaves no place empty.
        """
        now = self._clock.monotonic()
        if self._turn.locked() or self._load.place(now) > 0:
            async with self._turn:
                while (wait := self._load.place(now := self._clock.monotonic())) > 0:
                    await self._clock.sleep(min(wait, _GLANCE))
                return self._departs(call, now)
        return self._departs(call, now)

    def _departs(self, call: Call, now: float) -> bool:
        if self._held(call, now) > 0:
            return False
        self._load.depart(now)
        call.depart(now)
        return True

    async def _attempt(self, call: Call, read: Callable[[Response], T]) -> T:
        response = await self._sender.send(call)
        error = None
        if not response.is_success:
            error = status_error(conceal(self._auth, response), now=self._clock.time())
        if error is not None:
            raise error
        result = read(response)
        self._learn(call, response)
        return result

    def _learn(self, call: Call, response: Response) -> None:
        """Learn from a success."""
        now = self._clock.monotonic()
        again = getattr(call.failure, "status", 0) in THROTTLED
        busy = self._slots.all_taken
        self._load.succeeded(now, now - call.sent_at, busy=busy, again=again)
        if busy:
            self._slots.total = self._load.concurrency.slots
        budget = response.budget(self._clock.time())
        if budget is not None:
            pause = self._load.budget(now, budget, in_flight=self._sender.in_flight)
            self._tell_pause(call, pause, response.status)

    def _after(self, call: Call, error: AsyncChatError) -> float:
        """Seconds until the next attempt.

        Raises:
            AsyncChatError: The error, when there is none.
        """
        redact(self._auth, error)
        now = self._clock.monotonic()
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        delay = call.options.retry.decide(
            call.attempt, error, method=call.request.method, jitter=jitter, helping=self._load.helping
        )
        self._slow_down(call, error, now, delay or 0.0)
        ended = self._ends(call, error, now, delay)
        if ended is not None:
            delay = self._waited_out(call, now, ended, jitter)
        if delay is None:
            raise self._given_up(call, error, ended or "answer") from None
        call.failure = error
        reason = str(error.args[0])
        tell(call.options.hooks, RetryEvent(**call.facts, delay=delay, error=type(error).__name__, reason=reason))
        return delay

    def _slow_down(self, call: Call, error: AsyncChatError, now: float, delay: float) -> None:
        """A 429 or 503 pauses the whole client, and there are fewer requests at once after it, as after a timeout."""
        before = self._load.limits
        self._load.failures += worth_retrying(1, error, call.request.method)
        if isinstance(error, APIStatusError):
            if error.status in THROTTLED:
                pause = self._load.throttled(now, error, sent_at=call.sent_at, delay=delay)
                self._tell_pause(call, pause, error.status)
            elif not worth_retrying(1, error, call.request.method):
                self._load.answered(now)
        elif isinstance(error, APITimeoutError) and error.sent:
            self._load.timed_out(now, sent_at=call.sent_at)
        if self._load.limits != before:
            slots, rate = self._load.limits
            self._slots.total = slots
            tell(call.options.hooks, LimitEvent(concurrency=slots, rate=rate))

    def _ends(self, call: Call, error: AsyncChatError, now: float, delay: float | None) -> Ended | None:
        """Why there is no further attempt; None when there is one, which is paid for then."""
        if self._sender.closed or not worth_retrying(call.attempt, error, call.request.method):
            return "answer"
        if delay is None:
            return "attempts" if call.attempt >= call.options.retry.attempts else "pause"
        left = call.time_left(now)
        if left is not None and delay >= left:
            return "deadline"
        beyond = call.attempt >= call.options.retry.attempts
        return None if self._load.pay(now, error, sent_at=call.sent_at, beyond=beyond) else "quota"

    def _waited_out(self, call: Call, now: float, ended: Ended, jitter: float) -> float | None:
        """Seconds after which a patient call goes on all the same, None when it ends."""
        policy = call.options.retry
        if not policy.patience or ended not in {"attempts", "quota"}:
            return None
        if self._load.is_down:
            return 0.0 if self._load.wait_out(now, policy.patience) else None
        return jitter * policy.max_backoff if ended == "quota" else None

    def _given_up(self, call: Call, error: AsyncChatError, ended: Ended) -> AsyncChatError:
        """The error that the caller gets, once it has been told."""
        call.sign(error, self._clock.monotonic())
        if ended != "answer":
            reason, elapsed = str(error.args[0]), self._clock.monotonic() - call.started
            event = GiveUpEvent(**call.facts, ended=ended, error=type(error).__name__, reason=reason, elapsed=elapsed)
            tell(call.options.hooks, event)
        return error

    @staticmethod
    def _tell_pause(call: Call, seconds: float, status: int) -> None:
        if seconds > 0:
            tell(call.options.hooks, PauseEvent(seconds=seconds, status=status))

    async def aclose(self) -> None:
        """Close the transport: calls that are under way, or wait, end with an error at once. May be called twice."""
        self._sender.closed = True
        self._alarms.ring_all()
        self._alarms.stop()
        await self._sender.aclose()
