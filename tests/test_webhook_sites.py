"""Receivers in real servers of every kind, over sockets: what they answer, what they keep, what their logs show."""

from __future__ import annotations

import gzip
import http.client
import itertools
import json
import re
import socket
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from test_webhook_events import body
from webhook_sites import BODY_SECONDS, MOUNTED, SECRET, SITES, Site, running, wait_for, with_receiver

from asyncchat.webhooks import Inbox, Stored

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(sys.platform == "win32", reason="hands over a socket"),
]
_numbers = itertools.count(1_000)
AT_LEAST, CONNECTIONS = 1_000, 50
"""Times that a body is posted, over so many connections."""


@pytest.fixture(scope="module", params=SITES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(request.param, tmp_path_factory.mktemp("site")) as site:
        yield site
        log = site.log
    assert SECRET not in site.log
    assert "Traceback" not in log
    if site.kind != "django-asgi":  # its server logs each request too, in its own words
        assert "/webhook/..." in log


def post(
    site: Site, data: bytes | Iterable[bytes] | None, where: str | None = None, method: str = "POST", **headers: str
) -> int:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    try:
        chunked = data is not None and not isinstance(data, bytes)
        path = f"/webhook/{SECRET}" if where is None else where
        connection.request(method, path, data, told, encode_chunked=chunked)
        return connection.getresponse().status
    finally:
        connection.close()


def without_secret(site: Site) -> str:
    return "/webhook/" if site.kind in MOUNTED else "/webhook"


def stored(site: Site, **which: str) -> list[Stored]:
    with Inbox(site.folder / "inbox.db") as inbox:
        return inbox.list(most=100_000, **which)  # type: ignore[arg-type]


def one(site: Site, number: int) -> Stored | None:
    """The event of a conversation."""
    found = [each for each in stored(site, keyword="urgent") if json.loads(each.body)["payload"]["id"] == number]
    return found[0] if found else None


def test_where_the_secret_is(site: Site) -> None:
    """In the path, in the header, in the query: one event that came three times, and is handed over once."""
    number, plain = next(_numbers), without_secret(site)
    sent = body(id=number)
    assert post(site, sent) == 200
    assert post(site, sent, plain, X_Webhook_Secret=SECRET) == 200
    assert post(site, sent, f"{plain}?a=b&secret={SECRET}") == 200
    wait_for(lambda: site.told.count(number) == 1)
    kept = one(site, number)
    assert kept is not None
    assert kept.count == 3


@pytest.mark.parametrize("secret", ["", "wrong", "x" * 37, SECRET + "x", "%C3%A9" * 20, "%FF%FE", "%ED%A0%80", "a/b"])
def test_wrong_secrets(site: Site, secret: str) -> None:
    """404, as of what is not there, in the path and in the query; nothing is kept."""
    number = next(_numbers)
    assert post(site, body(id=number), f"/webhook/{secret}") in {404, 307}  # Starlette's redirect of an empty one
    assert post(site, body(id=number), f"{without_secret(site)}?secret={secret}") == 404
    assert one(site, number) is None


def test_a_header_that_is_no_text(site: Site) -> None:
    """A secret of bytes that are no UTF-8: 404, or what the server itself says to such a request."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as sock:
        sock.sendall(
            b"POST %s HTTP/1.1\r\nHost: x\r\nX-Webhook-Secret: \xff\xfe\xe9\r\nContent-Length: 2\r\n"
            b"Connection: close\r\n\r\n{}" % without_secret(site).encode()
        )
        assert int(sock.makefile("rb").readline().split()[1]) in {400, 404}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
def test_other_methods(site: Site, method: str) -> None:
    """405 with the right secret."""
    assert post(site, None, method=method) == 405


def test_a_body_that_is_too_large(site: Site) -> None:
    """A gigabyte that is announced: 413 before it is read; one without a length too, as soon as it is too large."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as sock:
        sock.sendall(f"POST /webhook/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n{{".encode())
        if site.kind == "django-asgi":
            sock.shutdown(socket.SHUT_WR)  # Django reads the body before it asks any view
        else:
            assert int(sock.makefile("rb").readline().split()[1]) == 413
    assert post(site, (b"x" * 10_000 for _ in range(30)), Transfer_Encoding="chunked") == 413


def test_a_body_without_a_length(site: Site) -> None:
    """It is kept like any other."""
    number = next(_numbers)
    parts = iter([(sent := body(id=number))[:9], sent[9:]])
    assert post(site, parts, Transfer_Encoding="chunked") == 200
    kept = one(site, number)
    assert kept is not None
    assert kept.body == sent


def test_a_slow_sender(site: Site) -> None:
    """408 when its time is over; where a server waits for the body first, nothing is kept all the same."""
    number = next(_numbers)
    sent = body(id=number)
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as sock:
        head = f"POST /webhook/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(sent)}\r\n\r\n"
        sock.sendall(head.encode() + sent[:-1])
        if site.kind.startswith("django"):
            sock.settimeout(2 * BODY_SECONDS)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            sock.close()
        else:
            assert int(sock.makefile("rb").readline().split()[1]) == 408
    assert one(site, number) is None


def test_a_sender_that_goes(site: Site) -> None:
    """A part of a body is no event, though it may be JSON."""
    number = next(_numbers)
    sent = body(id=number)
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as sock:
        head = f"POST /webhook/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(sent) + 9}\r\n\r\n"
        sock.sendall(head.encode() + sent)
    assert post(site, body(id=next(_numbers))) == 200
    assert one(site, number) is None


def test_a_bomb(site: Site) -> None:
    """A compressed body is refused as it is."""
    bomb = gzip.compress(b"0" * 100_000_000)
    assert post(site, bomb[:200_000], Content_Encoding="gzip") == 415


@pytest.mark.parametrize("sent", [b"", b"no json", b"[1]", b"event=keyword-notification&payload=1", body(id=...)])
def test_what_is_no_event(site: Site, sent: bytes) -> None:
    """400, and it is kept aside."""
    before = len(stored(site, state="rejected"))
    assert post(site, sent, Content_Type="application/x-www-form-urlencoded") == 400
    assert len(stored(site, state="rejected")) == before + 1


def test_the_same_body_often(site: Site) -> None:
    """A thousand times over fifty connections: always 200, one event, its count a thousand, handed over once."""
    number = next(_numbers)
    sent = body(id=number)

    def often(_: int) -> list[int]:
        connection, answers = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60), []
        for _ in range(AT_LEAST // CONNECTIONS):
            connection.request("POST", f"/webhook/{SECRET}", sent)
            answer = connection.getresponse()
            answer.read()
            answers.append(answer.status)
        connection.close()
        return answers

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = Counter(itertools.chain.from_iterable(pool.map(often, range(CONNECTIONS))))
    assert answers == {200: AT_LEAST}
    kept = one(site, number)
    assert kept is not None
    assert kept.count == AT_LEAST
    wait_for(lambda: number in site.told)
    assert site.told.count(number) == 1


def examples() -> list[tuple[str, str]]:
    """The sites that the README shows, and what may serve them."""
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    found = [("fastapi", block) for block in blocks if "FastAPI(" in block]
    return found + [
        (kind, block) for block in blocks if "urlpatterns" in block for kind in ("django-wsgi", "django-asgi")
    ]


@pytest.mark.parametrize(("kind", "block"), examples(), ids=[kind for kind, _ in examples()])
def test_the_readmes_sites(kind: str, block: str, tmp_path: Path) -> None:
    """They have at most 12 lines, and work as they stand: what is posted is told to the handler."""
    assert sum(bool(line.strip()) for line in block.splitlines()) <= 12
    with running(kind, tmp_path, with_receiver(kind, block)) as site:
        assert post(site, body(id=4_321)) == 200
        wait_for(lambda: "4321 " in site.log)


def test_the_readme_shows_sites() -> None:
    """One of FastAPI, one of Django."""
    assert [kind for kind, _ in examples()] == ["fastapi", "django-wsgi", "django-asgi"]


@pytest.mark.parametrize("kind", ["bare-asgi", "fastapi", "django-wsgi"])
def test_what_is_left_at_the_end(kind: str, tmp_path: Path) -> None:
    """SIGTERM right after the answers: all that was acknowledged is in the inbox, and handed over by the next run."""
    numbers = {next(_numbers) for _ in range(40)}
    with running(kind, tmp_path) as site:
        assert {post(site, body(id=number)) for number in numbers} == {200}
    with running(kind, tmp_path) as site:
        first = next(_numbers)
        assert post(site, body(id=first)) == 200
        wait_for(lambda: set(site.told) >= {*numbers, first})
