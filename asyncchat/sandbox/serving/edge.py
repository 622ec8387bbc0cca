"""The edge: aiohttp's requests become calls, answers become aiohttp's responses."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from aiohttp import web

from asyncchat.sandbox.serving import control, routes
from asyncchat.sandbox.serving.answers import Answer, Call, Raw, Stream, refusal
from asyncchat.sandbox.serving.contract import CONTRACT_PATH, contract
from asyncchat.sandbox.serving.delivery import deliver

if TYPE_CHECKING:
    import asyncio

    from aiohttp.web_protocol import RequestHandler

    from asyncchat.sandbox.audit import Audit
    from asyncchat.sandbox.mishaps.script import Script
    from asyncchat.sandbox.serving.service import Service

_WAITS: Final = frozenset({429, 503})  # statuses whose Retry-After binds


class Edge:
    """The handler of a low-level aiohttp server.

    Args:
        service: Answers a call under `/v1`.
        control: Answers a call under `/_sandbox`.
        script: Says what shall go wrong.
        audit: Where everything is counted.
    """

    def __init__(self, service: Service, control: control.Control, script: Script, audit: Audit) -> None:
        self._service = service
        self._control = control
        self._script = script
        self._audit = audit
        self._serial = count(1)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every answer has an X-Request-Id, numbered from 1."""
        serial = next(self._serial)
        headers = {"X-Request-Id": f"req-{serial:012}", "Content-Type": "application/json"}
        url = request.rel_url
        call = Call(request.method, url.raw_path, request.headers, tuple(url.query.items()))
        if call.path.startswith(f"{routes.PREFIX}/"):
            return await self._serve(call, request, headers, serial)
        return await deliver(await self._aside(call, request), request, headers)

    async def _aside(self, call: Call, request: web.BaseRequest) -> Answer | Stream:
        """Answer what is not the API itself: not counted, never disturbed."""
        if call.path == CONTRACT_PATH:
            return contract(call)
        if not call.path.startswith(f"{control.PREFIX}/"):
            return refusal(404, f"there is no {call.path} here: the API is under {routes.PREFIX}")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            return refusal(413, f"the body is too large: {error.text}")
        return await self._control.answer(Call(call.method, call.path, call.headers, call.query, body))

    async def _serve(
        self, call: Call, request: web.BaseRequest, headers: dict[str, str], serial: int
    ) -> web.StreamResponse:
        visit = self._audit.begin(serial, routes.resolve(call.path).template)
        fault = self._script.strike(call)
        status: int | None = None
        try:
            answer = await self._service.respond(call, fault)
            self._note(answer)
            response = await deliver(answer, request, headers)
            status = answer.status
            return response
        finally:
            self._audit.end(visit, call, status, fault.kind if fault else None, self._service.hidden)

    def _note(self, answer: Answer | Raw) -> None:
        if isinstance(answer, Answer) and answer.status in _WAITS and "Retry-After" in answer.headers:
            self._audit.told_to_wait(answer.headers["Retry-After"])


class CountingServer(web.Server):
    """A low-level server that tells the audit of its connections.

    Args:
        edge: What answers.
        audit: What is told.
    """

    def __init__(self, edge: Edge, audit: Audit) -> None:
        super().__init__(edge.handle, access_log=None, handler_cancellation=True)
        self._audit = audit

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection."""
        super().connection_made(handler, transport)
        self._audit.connected()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Count a connection that is gone."""
        super().connection_lost(handler, exc)
        self._audit.disconnected()
