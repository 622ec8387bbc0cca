"""Steps that tests take with a sandbox over its control routes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
from contract_shapes import Reply, ask

if TYPE_CHECKING:
    from asyncchat.sandbox import Sandbox

NOON = 1_751_500_800.0
"""2025-07-03T07:00:00+0700: later than every generated row."""


async def post(box: Sandbox, path: str, value: object, *, method: str = "POST") -> Reply:
    """Send JSON to a control route."""
    url = f"{box.origin}/_sandbox{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, json=value) as response:
        return Reply(response.status, response.headers, await response.text())


async def lines(box: Sandbox, path: str) -> list[dict[str, Any]]:
    """What a control route streams."""
    reply = await ask(box, f"/_sandbox{path}", origin=box.origin, headers={})
    assert reply.status == 200
    return [json.loads(line) for line in reply.text.splitlines() if line]


async def summary(box: Sandbox) -> dict[str, Any]:
    """The truth's summary."""
    body: dict[str, Any] = (await ask(box, "/_sandbox/truth", origin=box.origin, headers={})).body
    return body


async def find(box: Sandbox, **facts: Any) -> dict[str, Any]:
    """The first entry of the log that has these values; changes are made until there is one."""
    while True:
        for entry in await lines(box, "/changes"):
            if all(entry[name] == value for name, value in facts.items()):
                return entry
        await post(box, "/traffic", {"changes": 10})
