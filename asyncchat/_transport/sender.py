"""One attempt: auth(send), told to hooks and the log."""

from __future__ import annotations

import logging

from asyncchat._events import FailureEvent, RequestEvent, ResponseEvent
from asyncchat._policy.auth import Auth, hidden, redact
from asyncchat._transport.base import Transport
from asyncchat._transport.call import Call
from asyncchat._transport.telling import count, is_heard, tell
from asyncchat._types import Clock
from asyncchat._wire.request import Request
from asyncchat._wire.response import Response
from asyncchat.errors import AsyncChatError, ConfigurationError

_log = logging.getLogger("asyncchat")


class Sender:
    """Sends the requests of an attempt.

    Args:
        transport: Sends one request.
        auth: Authorises requests.
        clock: Tells the time.
        base_url: For the URLs that hooks are told; None: they are told none.
    """

    def __init__(self, transport: Transport, auth: Auth, *, clock: Clock, base_url: str | None) -> None:
        self._transport = transport
        self._auth = auth
        self._clock = clock
        self._base_url = base_url
        self.in_flight = 0
        self.closed = False

    async def send(self, call: Call) -> Response:
        """Walk the auth flow: every request it yields is sent, the last answer counts.

        Raises:
            APIConnectionError: No usable answer came.
            ConfigurationError: The client is closed.
        """
        flow = self._auth.auth_flow(call.request)
        self.in_flight += 1
        try:
            request = next(flow, None)
            while request is not None:
                response = await self._send(call, request)
                try:
                    request = flow.send(response)
                except StopIteration:
                    return response
            raise ConfigurationError("the auth flow has yielded no request: auth_flow must yield one to send")
        finally:
            self.in_flight -= 1
            flow.close()

    def check_open(self) -> None:
        """Refuse a client that is closed.

        Raises:
            ConfigurationError: It is.
        """
        if self.closed:
            raise ConfigurationError("this client is closed: make a new one, or stay inside `async with`")

    async def _send(self, call: Call, request: Request) -> Response:
        self.check_open()
        count(call.options.counters, "sent")
        try:
            if is_heard(call.options.listeners):
                return await self._send_heard(call, request)
            timeout = call.attempt_timeout(self._clock.monotonic())
            return await self._transport.send(request, timeout=timeout, max_body=call.options.max_body)
        finally:
            count(call.options.counters, "ended")

    async def _send_heard(self, call: Call, request: Request) -> Response:
        request = self._announced(call, request)
        began = self._clock.monotonic()
        timeout = call.attempt_timeout(began)
        try:
            response = await self._transport.send(request, timeout=timeout, max_body=call.options.max_body)
        except BaseException as exc:
            self._tell_failure(call, exc, self._clock.monotonic() - began)
            raise
        self._tell_answer(call, response, self._clock.monotonic() - began)
        return response

    def _announced(self, call: Call, request: Request) -> Request:
        """Tell of a request, and give it with the headers that hooks put in."""
        event = RequestEvent(**call.facts, url=call.url(self._base_url))
        tell(call.options.listeners, event)
        for name, value in event.headers.items():
            try:
                request = request.with_header(name, value)
            except (ConfigurationError, TypeError):
                _log.error("a hook's header %.40r cannot be sent, and was left out", name)
        return request

    def _tell_answer(self, call: Call, response: Response, elapsed: float) -> None:
        known_as = response.request_id
        event = ResponseEvent(
            **call.facts,
            status=response.status,
            size=len(response.body),
            elapsed=elapsed,
            request_id=None if known_as is None else hidden(self._auth, known_as),
        )
        tell(call.options.listeners, event)

    def _tell_failure(self, call: Call, exc: BaseException, elapsed: float) -> None:
        reason = "the call was cancelled, or its deadline has passed"
        if isinstance(exc, AsyncChatError):
            redact(self._auth, exc)
            reason = str(exc.args[0])
        event = FailureEvent(**call.facts, error=type(exc).__name__, reason=reason, elapsed=elapsed)
        tell(call.options.listeners, event)

    async def aclose(self) -> None:
        """Close the transport. May be called twice."""
        self.closed = True
        await self._transport.aclose()
