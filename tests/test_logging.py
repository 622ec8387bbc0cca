"""Log records: one for each event, with the event's fields, in any formatter."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from pathlib import Path
from typing import Any

import attrs
import pytest
from answers import mock, model

from asyncchat import (
    APIConnectionError,
    FailureEvent,
    GiveUpEvent,
    LimitEvent,
    PauseEvent,
    Request,
    RequestEvent,
    Response,
    ResponseEvent,
    RetryEvent,
)
from asyncchat.testing import json_response

OK = json_response(model(1))
BUSY = Response(status=429, headers={"Retry-After": "7"})
STANDARD = frozenset(vars(logging.LogRecord("n", 0, "p", 0, "m", None, None))) | {"message", "asctime", "taskName"}
EVENTS = {
    "request": RequestEvent,
    "response": ResponseEvent,
    "failure": FailureEvent,
    "retry": RetryEvent,
    "pause": PauseEvent,
    "limit": LimitEvent,
    "give_up": GiveUpEvent,
}
NOT_LOGGED = {"url", "headers"}
README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


class JsonLines(logging.Formatter):
    """What JSON formatters do: the message, and whatever a record has besides the standard attributes."""

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in STANDARD}
        return json.dumps({"level": record.levelname, "message": record.getMessage(), **extra}, allow_nan=False)


async def _told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The records of calls in which everything happens, as JSON lines read back."""
    client, _ = mock([APIConnectionError("lost", sent=True), BUSY, OK])
    with caplog.at_level(logging.DEBUG, "asyncchat"):
        await client.models.get(1)
        with pytest.raises(APIConnectionError):
            await mock([APIConnectionError("lost")], retry=0)[0].models.get(1)
    return [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "asyncchat"]


@pytest.mark.asyncio
@pytest.mark.parametrize("name", EVENTS)
async def test_records_have_the_fields_of_their_event(caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Formatted as JSON, a record has the name of its event and exactly the event's fields, less URL and headers."""
    lines = [line for line in await _told(caplog) if line["event"] == name]
    fields = {field.name for field in attrs.fields(EVENTS[name])} - NOT_LOGGED
    assert lines
    for line in lines:
        assert set(line) == {"level", "message", "event"} | fields


@pytest.mark.parametrize("event", EVENTS.values())
def test_no_field_is_an_attribute_of_records(event: type) -> None:
    """No field is called as a record's own attribute, which `extra=` refuses to overwrite."""
    assert {field.name for field in attrs.fields(event)} & STANDARD == set()
    assert "event" not in STANDARD


@pytest.mark.asyncio
async def test_levels(caplog: pytest.LogCaptureFixture) -> None:
    """Requests, answers and failures are told at DEBUG, retries, pauses and limits at INFO, what failed at WARNING."""
    told = {line["event"]: line["level"] for line in await _told(caplog)}
    debug, info = ("request", "response", "failure"), ("retry", "pause", "limit")
    assert told == {**dict.fromkeys(debug, "DEBUG"), **dict.fromkeys(info, "INFO"), "give_up": "WARNING"}


@pytest.mark.asyncio
async def test_the_calls_of_a_log_can_be_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    """Records of calls that run side by side are told apart by `call`."""

    async def answer(_request: Request) -> Response:
        await asyncio.sleep(0)
        return OK

    client, _ = mock(answer)
    with caplog.at_level(logging.DEBUG, "asyncchat"):
        await asyncio.gather(*(client.models.get(1) for _ in range(5)))
    by_call: dict[int, list[str]] = {}
    for record in map(vars, caplog.records):
        by_call.setdefault(record["call"], []).append(record["event"])
    assert list(by_call.values()) == [["request", "response"]] * 5


@pytest.mark.asyncio
async def test_a_failing_hook_is_one_record(caplog: pytest.LogCaptureFixture) -> None:
    """A hook that raises is told at ERROR with its traceback, and the record goes through the formatter too."""

    def hook(event: Any) -> None:
        if isinstance(event, ResponseEvent):
            raise LookupError("the hook's own")  # noqa: TRY004 - any error

    client, _ = mock([OK], hooks=[hook])
    await client.models.get(1)
    (record,) = caplog.records
    line = json.loads(JsonLines().format(record))
    assert line["level"] == "ERROR"
    assert "a hook failed on a response event" in line["message"]
    assert record.exc_info is not None
    assert record.exc_info[0] is LookupError


@pytest.mark.asyncio
async def test_nothing_is_built_when_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above DEBUG and without hooks no record is made of a call that succeeds."""
    made: list[Any] = []
    logger = logging.getLogger("asyncchat")
    monkeypatch.setattr(logger, "makeRecord", lambda *args, **_: made.append(args))
    client, _ = mock([OK])
    await client.models.get(1)
    assert made == []


def test_the_readme_names_the_fields() -> None:
    """The README's table has a row for each event with its level, and the fields of its record."""
    rows = re.findall(r"^\| `(\w+)` \| (DEBUG|INFO|WARNING) \| (.*) \|$", README, re.MULTILINE)
    assert {name for name, _, _ in rows} == set(EVENTS)
    for name, _, told in rows:
        fields = {field.name for field in attrs.fields(EVENTS[name])} - NOT_LOGGED
        assert set(re.findall(r"`(\w+)`", told)) == fields
