"""A receiver in an application of aiohttp.web.

    application = web.Application()
    mount(application, receiver, "/webhook")
    web.run_app(application, handler_cancellation=False)

Its runner has to leave bodies as they are (`auto_decompress=False`), else a compressed one is inflated before it can be
refused: `make_runner` makes such a one.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import ClientError, web
from aiohttp.http_exceptions import HttpProcessingError

from asyncchat.errors import ConfigurationError
from asyncchat.webhooks.gate import Answer, Incoming, SenderGoneError
from asyncchat.webhooks.receiver import Receiver


def mount(application: web.Application, receiver: Receiver, path: str = "/webhook") -> None:
    """Let an application receive events at `path/SECRET`, and at `path` with the secret in the header or `?secret=`.

    The receiver is started and closed with the application.

    Args:
        application: It.
        receiver: Where events go.
        path: Without a slash at its end.
    """

    async def respond(request: web.Request) -> web.Response:
        answer = await receiver.receive(_incoming(request), _chunks(request))
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


@contextlib.asynccontextmanager
async def serving(receiver: Receiver, host: str, port: int) -> AsyncIterator[str]:
    """Serve a receiver at /webhook, and /health beside it, until the block ends; gives the URL without a path.

    Raises:
        ConfigurationError: The address cannot be listened on.
    """
    application = web.Application()

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    mount(application, receiver)
    application.router.add_get("/health", health)
    runner = make_runner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        failure = await _failure_of(site)
        if failure is not None:
            raise ConfigurationError(f"{host}, port {port}, cannot be listened on ({failure}): give another one")
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _failure_of(site: web.TCPSite) -> str | None:
    try:
        await site.start()
    except OSError as exc:
        return exc.strerror or str(exc)
    return None


def _incoming(request: web.Request) -> Incoming:
    told = [request.match_info.get("secret"), request.query.get("secret")]
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Incoming(method=request.method, headers=headers, secrets=[each for each in told if each is not None])


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.content.iter_any():
            yield chunk
    except (OSError, ClientError, HttpProcessingError):
        raise SenderGoneError from None


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, text=answer.text + "\n", headers=dict(answer.headers))
