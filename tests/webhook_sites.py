"""Web servers of every kind with a receiver in them, each a process of its own."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs
from scripts import WAIT, environment

SECRET: Final = "s3cret-" + "x" * 30
BODY_SECONDS: Final = 0.5
"""How long a body may take to come."""

_RECEIVER: Final = """
import logging, os, sys
logging.basicConfig(level="INFO")  # access logs are shown
from asyncchat.webhooks import Inbox, KeywordNotificationEvent
from {home} import Receiver

receiver = Receiver(Inbox("inbox.db"), secrets={secret!r}, body_seconds={seconds}, timeout=5.0)

@receiver.on(KeywordNotificationEvent)
def handle(event):
    with open("told", "ab", buffering=0) as file:
        file.write(b"%d\\n" % event.payload.id)
"""
_AIOHTTP: Final = """
from aiohttp import web
from asyncchat.webhooks.aiohttp import make_runner, mount
application = web.Application()
mount(application, receiver)

async def main():
    import asyncio, signal
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    runner = make_runner(application)
    await runner.setup()
    await web.SockSite(runner, socket.socket(fileno=int(sys.argv[1]))).start()
    await stop.wait()
    await runner.cleanup()

import asyncio, socket
asyncio.run(main())
"""
_UVICORN: Final = """
import socket, uvicorn
server = uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=5))
server.run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""
_BARE: Final = """
from asyncchat.webhooks.asgi import WebhookApp
app = WebhookApp(receiver)
"""
_STARLETTE: Final = """
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from asyncchat.webhooks.asgi import WebhookApp, lifespan
routes = [{route}]
app = Starlette(routes=routes, lifespan=lifespan(receiver))
"""
_FASTAPI: Final = """
from fastapi import FastAPI
from asyncchat.webhooks.asgi import WebhookApp, lifespan
app = FastAPI(lifespan=lifespan(receiver))
app.mount("/webhook", WebhookApp(receiver))
"""
_UNTOLD: Final = """
from fastapi import FastAPI
from asyncchat.webhooks.asgi import WebhookApp
app = FastAPI()
app.mount("/webhook", WebhookApp(receiver))
"""
_DJANGO: Final = """
from asyncchat.webhooks.django import webhook_path
urlpatterns = [webhook_path("webhook", receiver)]
"""
_SETTINGS: Final = """
from django.conf import settings
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="not one", LOGGING_CONFIG=None,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.db"}})
"""
_WSGI: Final = """
from django.core.wsgi import get_wsgi_application
app = get_wsgi_application()
"""
_ASGI: Final = """
from django.core.asgi import get_asgi_application
app = get_asgi_application()
"""
_ASYNC, _BLOCKING = "asyncchat.webhooks", "asyncchat.blocking"
_BOTH: Final = 'Route("/webhook", WebhookApp(receiver)), Route("/webhook/{secret}", WebhookApp(receiver))'

SITES: Final[Mapping[str, tuple[str, str]]] = {
    "aiohttp": (_ASYNC, _AIOHTTP),
    "bare-asgi": (_ASYNC, _BARE + _UVICORN),
    "starlette-route": (_ASYNC, _STARLETTE.format(route=_BOTH) + _UVICORN),
    "starlette-mount": (_ASYNC, _STARLETTE.format(route='Mount("/webhook", WebhookApp(receiver))') + _UVICORN),
    "fastapi": (_ASYNC, _FASTAPI + _UVICORN),
    "fastapi-without-lifespan": (_ASYNC, _UNTOLD + _UVICORN),
    "django-asgi": (_BLOCKING, _DJANGO + _SETTINGS + _ASGI + _UVICORN),
    "django-wsgi": (_BLOCKING, _DJANGO + _SETTINGS + _WSGI),
}
"""By the name of a kind: where its receiver comes from, and the rest of its program."""
MOUNTED: Final = {"starlette-mount", "fastapi", "fastapi-without-lifespan"}
"""Kinds in which the path without a secret ends with a slash."""
_GUNICORN: Final = ["-m", "gunicorn", "--preload", "--workers=2", "--worker-class=gthread", "--threads=8"]


@attrs.frozen
class Site:
    """A server that runs.

    Attributes:
        kind: One of `SITES`.
        port: Where it listens.
        folder: With its inbox, inbox.db, the ids that its handler was told, and what it wrote, log.
    """

    kind: str
    port: int
    folder: Path

    @property
    def told(self) -> list[int]:
        """Ids of the conversations that the handler was called with."""
        path = self.folder / "told"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "log").read_text()


def program_of(kind: str) -> str:
    """The program of a site."""
    home, rest = SITES[kind]
    return _RECEIVER.format(home=home, secret=SECRET, seconds=BODY_SECONDS) + rest


def with_receiver(kind: str, given: str) -> str:
    """The program of a site that a reader has written, but for what serves it.

    Args:
        kind: What serves it.
        given: His part, with the name `app` or `urlpatterns`.
    """
    ends = {"fastapi": _UVICORN, "django-asgi": _SETTINGS + _ASGI + _UVICORN, "django-wsgi": _SETTINGS + _WSGI}
    return given + "\nimport sys\n" + ends[kind]


@contextlib.contextmanager
def running(kind: str, folder: Path, program: str | None = None) -> Iterator[Site]:
    """Run a site until the block ends; it must end in order.

    Args:
        kind: One of `SITES`.
        folder: Where it runs.
        program: Another program for it.
    """
    (folder / "views.py").write_text(program or program_of(kind))
    with socket.create_server(("127.0.0.1", 0), backlog=1_024) as listener, (folder / "log").open("w") as log:
        number = listener.fileno()
        how = ["views.py", str(number)]
        if kind == "django-wsgi":
            how = [*_GUNICORN, f"--bind=fd://{number}", "--worker-tmp-dir=.", "--access-logfile=-", "views:app"]
        process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, *how],
            pass_fds=[number],
            stdout=log,
            stderr=log,
            env=environment(WEBHOOK_SECRET=SECRET, PYTHONUNBUFFERED="1"),
            cwd=folder,
        )
        try:
            site = Site(kind, listener.getsockname()[1], folder)
            _until_it_answers(site, process)
            yield site
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(WAIT)
    assert process.returncode in {0, -signal.SIGTERM}, (folder / "log").read_text()  # uvicorn ends by the signal


def _until_it_answers(site: Site, process: subprocess.Popen[bytes]) -> None:
    """The socket listens before the server runs: one that ends at its start leaves whoever asks without an answer."""
    with socket.create_connection(("127.0.0.1", site.port)) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        sock.settimeout(0.1)
        while True:
            with contextlib.suppress(TimeoutError):
                assert sock.recv(1)
                return
            assert process.poll() is None, site.log


def wait_for(condition: object, seconds: float = WAIT) -> None:
    """Wait until something that another process does is so."""
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)
