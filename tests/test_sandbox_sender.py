"""The webhook sender, against receivers that are plain aiohttp servers and bare sockets."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from attrs import asdict, define, field, fields_dict
from contract_shapes import check_message
from sandbox_wire import control

from asyncchat.sandbox import Sandbox
from asyncchat.sandbox.hooks.notices import Campaign, Options, notices, read_campaign
from asyncchat.sandbox.hooks.post import read_status, request_head
from asyncchat.sandbox.hooks.sender import pauses, quantile, send

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

ROWS: list[dict[str, Any]] = [{"id": number, "updated_at": "x", "platform": "web"} for number in (1, 2, 3)]
NOTIFICATION = {
    "id": int,
    "model_id": int,
    "model_name": str,
    "created_at": str,
    "keyword": str,
    "recent_messages": list,
    "platform": str,
    "platform_user_id": str,
}


@define
class Receiver:
    """What a receiver got, and how it answers."""

    status: Callable[[int], int] = lambda _: 200
    bodies: list[bytes] = field(factory=list)
    headers: list[dict[str, str]] = field(factory=list)
    url: str = ""
    under_way: int = 0
    peak: int = 0
    hold: asyncio.Event | None = None
    wanted: int = 0
    arrived: asyncio.Event = field(factory=asyncio.Event)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        self.arrived.set()
        self.under_way += 1
        self.peak = max(self.peak, self.under_way)
        if self.hold is not None:
            if self.under_way == self.wanted:
                self.hold.set()
            await self.hold.wait()
        self.under_way -= 1
        return web.Response(status=self.status(len(self.bodies)))


@asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[Receiver]:
    runner = web.ServerRunner(web.Server(receiver.answer, handler_cancellation=True), shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/s3cret?x=1"
        yield receiver
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=30, seed=3) as running:
        yield running


def test_the_options_are_the_fields() -> None:
    """What `send_webhooks` takes is what a Campaign has."""
    assert {"url", *Options.__annotations__} == set(fields_dict(Campaign))


@pytest.mark.asyncio
async def test_notifications_have_the_contracts_shape(box: Sandbox) -> None:
    """A body is the event of the contract: a conversation with a keyword and without updated_at."""
    async with receiving(Receiver()) as receiver:
        report = await box.send_webhooks_async(receiver.url, count=25)
    bodies = [json.loads(body) for body in receiver.bodies]
    assert {body["event"] for body in bodies} == {"keyword-notification"}
    for payload in (body["payload"] for body in bodies):
        last = payload.pop("most_recent_message")
        assert {name: type(value) for name, value in payload.items()} == NOTIFICATION
        assert last == (payload["recent_messages"] or [None])[-1]
        for message in payload["recent_messages"]:
            check_message(message)
    assert sorted(report.acknowledged) == sorted(body["payload"]["id"] for body in bodies)


@pytest.mark.asyncio
async def test_what_is_sent_is_in_the_truth(box: Sandbox) -> None:
    """Notifications are about conversations that the API has."""
    async with receiving(Receiver()) as receiver:
        await box.send_webhooks_async(receiver.url, count=30)
    known = {row["id"] for row in box.truth("conversations")}
    assert {json.loads(body)["payload"]["id"] for body in receiver.bodies} == known


@pytest.mark.asyncio
async def test_the_headers(box: Sandbox) -> None:
    """A secret may be sent in a header; the type of the body is JSON."""
    async with receiving(Receiver()) as receiver:
        await box.send_webhooks_async(receiver.url, count=1, headers={"X-Secret": "s"})
    assert (receiver.headers[0]["X-Secret"], receiver.headers[0]["Content-Type"]) == ("s", "application/json")


@pytest.mark.asyncio
async def test_from_a_blocking_caller(box: Sandbox) -> None:
    """The blocking method does the same."""
    async with receiving(Receiver()) as receiver:
        report = await asyncio.to_thread(box.send_webhooks, receiver.url, count=4)
    assert (report.sent, report.by_answer, len(receiver.bodies)) == (4, {"200": 4}, 4)


@pytest.mark.asyncio
async def test_from_the_endpoint(box: Sandbox) -> None:
    """`POST /_sandbox/webhooks` sends, and answers with the report."""
    async with receiving(Receiver()) as receiver:
        reply = await control(box, "/webhooks", "POST", {"url": receiver.url, "count": 4})
    assert (reply.status, reply.json["by_answer"], len(receiver.bodies)) == (200, {"200": 4}, 4)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "document", [{}, [], {"url": "ftp://x"}, {"url": "http://x", "speed": 1}, {"url": "http://x", "count": -1}]
)
async def test_a_campaign_that_is_none(box: Sandbox, document: object) -> None:
    """What is no campaign is a 422 that says why."""
    reply = await control(box, "/webhooks", "POST", document)
    assert (reply.status, bool(reply.json["message"])) == (422, True)


@pytest.mark.asyncio
async def test_what_is_not_acknowledged_is_sent_again(box: Sandbox) -> None:
    """Anything but a 2xx is tried again with the same body, until it is acknowledged."""
    async with receiving(Receiver(lambda number: (503, 302, 204)[number - 1])) as receiver:
        report = await box.send_webhooks_async(receiver.url, count=1, backoff=0)
    assert (report.by_answer, report.retries, len(set(receiver.bodies))) == ({"204": 1, "302": 1, "503": 1}, 2, 1)
    assert (len(report.acknowledged), report.given_up) == (1, [])


@pytest.mark.asyncio
async def test_what_is_never_acknowledged_is_given_up(box: Sandbox) -> None:
    """After the last attempt a notification is given up and reported."""
    async with receiving(Receiver(lambda _: 500)) as receiver:
        report = await box.send_webhooks_async(receiver.url, count=3, attempts=2, backoff=0)
    assert (report.by_answer, report.acknowledged) == ({"500": 6}, [])
    assert sorted(report.given_up) == sorted({json.loads(body)["payload"]["id"] for body in receiver.bodies})


def test_pauses_grow() -> None:
    """The pause before each further attempt is twice as long."""
    assert list(pauses(Campaign(url="http://x", attempts=4, backoff=0.5))) == [0.0, 0.5, 1.0, 2.0]


@pytest.mark.asyncio
async def test_a_receiver_that_does_not_answer(box: Sandbox) -> None:
    """An attempt without an answer in time is a timeout."""
    async with receiving(Receiver(hold=asyncio.Event())) as receiver:
        report = await box.send_webhooks_async(receiver.url, count=1, attempts=2, backoff=0, timeout=0.05)
    assert (report.by_answer, report.slowest) == ({"timeout": 2}, 0.0)


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", [b"", b"SMTP ready\r\n"])
async def test_a_receiver_that_speaks_no_http(box: Sandbox, answer: bytes) -> None:
    """A connection that is closed or speaks something else is no answer."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        report = await box.send_webhooks_async(url, count=1, attempts=2, backoff=0)
    assert report.by_answer == {"no answer": 2}


@pytest.mark.asyncio
async def test_nobody_listens(box: Sandbox, unused_tcp_port: int) -> None:
    """A refused connection is no answer."""
    report = await box.send_webhooks_async(f"http://127.0.0.1:{unused_tcp_port}", count=1, attempts=1)
    assert report.by_answer == {"no answer": 1}


@pytest.mark.asyncio
async def test_duplicates(box: Sandbox) -> None:
    """A duplicate is the same body, sent again although the first was acknowledged."""
    async with receiving(Receiver()) as receiver:
        report = await box.send_webhooks_async(receiver.url, count=5, duplicates=1.0)
    assert set(Counter(receiver.bodies).values()) == {2}
    assert (report.sent, report.duplicates, len(report.acknowledged)) == (10, 5, 10)


@pytest.mark.asyncio
async def test_bad_bodies(box: Sandbox) -> None:
    """Bodies that are no notification are sent once each, and are reported apart."""
    async with receiving(Receiver(lambda _: 400)) as receiver:
        report = await box.send_webhooks_async(receiver.url, count=40, bad=1.0, attempts=1)
    assert (report.bad, report.bad_by_answer, report.requests) == (40, {"400": 40}, 80)
    assert len({headers["Content-Type"] for headers in receiver.headers}) == 2


@pytest.mark.asyncio
async def test_as_many_at_once_as_allowed(box: Sandbox) -> None:
    """`concurrency` notifications are under way at once, and never more."""
    async with receiving(Receiver(hold=asyncio.Event(), wanted=5)) as receiver:
        report = await box.send_webhooks_async(receiver.url, count=12, concurrency=5)
    assert (receiver.peak, report.by_answer) == (5, {"200": 12})


@pytest.mark.asyncio
async def test_the_rate(box: Sandbox) -> None:
    """The second notification is not begun before its time, although many may be under way."""
    async with receiving(Receiver()) as receiver:
        sending = asyncio.create_task(box.send_webhooks_async(receiver.url, count=8, rate=0.001))
        await receiver.arrived.wait()
        assert (await asyncio.wait([sending], timeout=0.02))[0] == set()
        sending.cancel()
    assert len(receiver.bodies) == 1


@pytest.mark.asyncio
async def test_sending_can_be_cancelled(box: Sandbox) -> None:
    """Cancelling the wait ends the sending, and the sandbox goes on."""
    async with receiving(Receiver(hold=asyncio.Event())) as receiver:
        sending = asyncio.create_task(box.send_webhooks_async(receiver.url, count=1))
        await receiver.arrived.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert (await control(box, "/stats")).status == 200


def test_not_running() -> None:
    """A sandbox that does not run sends nothing, and says how to start it."""
    with pytest.raises(RuntimeError, match=r"with Sandbox\(\) as box"):
        Sandbox().send_webhooks("http://127.0.0.1:1")


def test_the_same_seed_gives_the_same_bodies() -> None:
    """Bodies, duplicates and bad ones hang on the seed."""
    campaign = Campaign(url="http://x", count=50, duplicates=0.3, bad=0.3)
    one, again, other = (list(notices(ROWS, campaign, seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert len({notice.body for notice in one if notice.row_id and not notice.duplicate}) == 18


@pytest.mark.asyncio
async def test_nothing_to_send() -> None:
    """Without conversations nothing is sent."""
    report = await send(notices([], Campaign(url="http://x"), 1), Campaign(url="http://x"))
    assert (report.requests, report.p50, report.acknowledged) == (0, 0.0, [])


@pytest.mark.parametrize(("share", "value"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)])
def test_quantiles(share: float, value: float) -> None:
    """A quantile is one of the numbers."""
    assert quantile([float(number) for number in range(1, 101)], share) == value


def test_the_head_of_a_post() -> None:
    """The first line and the headers are HTTP/1.1."""
    assert request_head("/a?b=c", "host:1", {"X-A": "b"}, 3).decode().split("\r\n") == [
        "POST /a?b=c HTTP/1.1",
        "Host: host:1",
        "Content-Length: 3",
        "Connection: close",
        "User-Agent: asyncchat-sandbox",
        "X-A: b",
        "",
        "",
    ]


@pytest.mark.parametrize("line", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200\r\n"])
def test_a_status_line(line: bytes) -> None:
    """A status is read with or without a reason."""
    assert read_status(line) == 200


def test_a_campaign_survives_json() -> None:
    """A campaign that is written as JSON can be read back."""
    campaign = Campaign(url="https://example.invalid/hook", count=3, rate=2.5, headers={"a": "b"})
    assert read_campaign(json.dumps(asdict(campaign)).encode()) == campaign
