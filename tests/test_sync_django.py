"""The blocking client in views of Django, under WSGI and ASGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scripts import run

from asyncchat.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

SITE = """
import asyncio, json, threading
import django
from django.conf import settings
from django.http import JsonResponse
from django.urls import path
from asyncchat import Client, NotFoundError

chat = Client()

def counts(request):
    return JsonResponse({"rows": len(list(chat.conversations.list(per_page=7))), "models": chat.models.list().count()})

def missing(request):
    try:
        chat.models.get(2**62)
    except NotFoundError as error:
        return JsonResponse({"error": type(error).__name__}, status=error.status)

async def inside(request):
    asyncio.get_running_loop()
    return counts(request)

urlpatterns = [path("counts", counts), path("missing", missing), path("inside", inside)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="not one")
"""

WSGI = (
    SITE
    + """
import urllib.error, urllib.request
from wsgiref.simple_server import WSGIRequestHandler, make_server
from django.core.wsgi import get_wsgi_application

class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass

def ask(where):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/{where}") as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return json.loads(error.read())

with make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet) as server:
    threading.Thread(target=server.serve_forever).start()
    for where in ("counts", "missing", "inside", "counts"):
        print(json.dumps(ask(where)))
    server.shutdown()
chat.close()
"""
)

ASGI = (
    SITE
    + """
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application

async def ask(application, where):
    scope = {"type": "http", "method": "GET", "path": "/" + where, "query_string": b"", "headers": []}
    one = ApplicationCommunicator(application, scope)
    await one.send_input({"type": "http.request", "body": b""})
    await one.receive_output(30)
    return json.loads((await one.receive_output(30))["body"])

async def main():
    application = get_asgi_application()
    for where in ("counts", "missing", "inside"):
        print(json.dumps(await ask(application, where)))
    together = await asyncio.gather(*[ask(application, "counts") for _ in range(8)])
    assert all(one == together[0] for one in together)
    print(json.dumps(together[0]))

asyncio.run(main())
chat.close()
"""
)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=60, messages_mean=3) as running:
        yield running


@pytest.mark.parametrize("site", [WSGI, ASGI], ids=["wsgi", "asgi"])
def test_views(site: str, box: Sandbox) -> None:
    """One client of the module serves plain views and asynchronous ones, each where Django runs it."""
    good = '{"rows": 60, "models": 5}'
    done = run(site, box=box)
    assert done.stdout.splitlines() == [good, '{"error": "NotFoundError"}', good, good]
    assert "Traceback" not in done.stderr
