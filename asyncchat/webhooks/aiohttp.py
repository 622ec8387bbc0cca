"""A receiver in an application of aiohttp.web.

    application = web.Application()
    mount(application, receiver, "/webhook")
    web.run_app(application, handler_cancellation=False)

Its runner has to leave bodies as they are (`auto_decompress=False`), else a compressed one is inflated before it can be
refused: `make_runner` makes such a one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from asyncchat.webhooks.receiver import Answer, Incoming, Receiver


def mount(application: web.Application, receiver: Receiver, path: str = "/webhook") -> None:
    """Let an application receive events at `path/SECRET`, and at `path` with the secret in the header or `?secret=`.

    The receiver is started and closed with the application.

    Args:
        application: It.
        receiver: Where events go.
        path: Without a slash at its end.
    """

    async def respond(request: web.Request) -> web.Response:
        answer = await receiver.receive(_incoming(request), request.content.iter_any())
        return _response(answer)

    async def run(_: web.Application) -> AsyncIterator[None]:
        async with receiver:
            yield

    application.cleanup_ctx.append(run)
    for route in (path, path + "/{secret}"):
        application.router.add_route("*", route, respond)


def make_runner(application: web.Application, **options: Any) -> web.AppRunner:
    """A runner that leaves bodies as they are."""
    return web.AppRunner(application, auto_decompress=False, **options)


def _incoming(request: web.Request) -> Incoming:
    told = [request.match_info.get("secret"), request.query.get("secret")]
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Incoming(method=request.method, headers=headers, secrets=[each for each in told if each is not None])


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, text=answer.text + "\n", headers=dict(answer.headers))
