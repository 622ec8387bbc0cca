"""The token and what else a program gives away: objects, settings, files, command lines; and a net with holes."""

from __future__ import annotations

import asyncio
import base64
import copy
import gc
import html
import json
import os
import pickle
import pprint
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from answers import model
from canary import TOKEN, Net, chain
from cli_run import go_to, invoke, plain_server
from rawserver import GET, http, serving

from asyncchat import AsyncChatError, AsyncClient, Client, ConfigurationError
from asyncchat._policy.auth import make_auth
from asyncchat._policy.secret import Hidden, Token
from asyncchat.sandbox import Fault, Sandbox
from asyncchat.testing import MockTransport, json_response

PLACES = ["bearer", "header:X-Api-Key", "query:api_key"]
SHOWS: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda value: f"{value} {value!s} {value!r} {value:>99}" if isinstance(value, Token) else f"{value!r}",
    "percent": lambda value: "%s %r" % (str(value), value),  # noqa: UP031 - the old form is the point
    "pprint": pprint.pformat,
    "asdict": lambda value: str(attrs.asdict(value)) if attrs.has(type(value)) else "",
    "astuple": lambda value: str(attrs.astuple(value)) if attrs.has(type(value)) else "",
    "dir": lambda value: str([repr(getattr(value, name)) for name in dir(type(value)) if name.startswith("__d")]),
    "json": lambda value: json.dumps(attrs.asdict(value) if attrs.has(type(value)) else None, default=repr),
}


@pytest.mark.parametrize("auth", PLACES)
@pytest.mark.parametrize("show", SHOWS)
def test_objects(net: Net, auth: str, show: str) -> None:
    """Neither a token, nor a flow, nor a client shows the token in whatever way it is shown."""
    flow: Any = make_auth(auth, TOKEN)
    for value in (flow, flow.token, AsyncClient("https://host.example", token=TOKEN, auth=auth)):
        net.add(show, SHOWS[show](value))


@pytest.mark.parametrize("auth", PLACES)
def test_requests(net: Net, auth: str) -> None:
    """A request that has the token shows it neither whole nor cut, and refuses to be pickled."""
    request = next(make_auth(auth, TOKEN).auth_flow(GET))
    for value in (request, request.headers, request.params, attrs.asdict(request)):
        net.add("request", f"{value!r} {pprint.pformat(value)}")
    for _, text in (*request.headers, *request.params):
        net.add("header", f"{text!r} {text[:9]!r} {text[3]!r} {text[-5:]!r}")
    for make in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled or copied"):
            make(request)


@pytest.mark.parametrize("make", [pickle.dumps, copy.copy, copy.deepcopy])
def test_hidden_texts_are_not_copied(make: Any) -> None:
    """What hides a text refuses to leave the process with it."""
    with pytest.raises(TypeError, match="not pickled"):
        make(Hidden(TOKEN))


@pytest.mark.parametrize("auth", PLACES)
@pytest.mark.parametrize("kind", [AsyncClient, Client])
@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "host"},
        {"base_url": f"https://user:{TOKEN}@host.example"},
        {"base_url": f"https://host.example/?key={TOKEN}"},
        {"timeout": -1},
        {"max_rate": 0},
        {"ssl": "/nowhere.pem"},
        {"token": TOKEN + "\n" + TOKEN},
        {"tokn": TOKEN},
        {"token": [TOKEN]},
        {"token": None},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_settings(net: Net, monkeypatch: pytest.MonkeyPatch, kind: Any, wrong: Any, auth: str) -> None:
    """A client that cannot be made says why without the token, also when that is in the environment."""
    if wrong.get("token", "") is None:
        monkeypatch.setenv("ASYNCCHAT_API_TOKEN", TOKEN + "\n" + TOKEN)
    if "token" not in wrong:
        wrong = {"token": TOKEN, **wrong}
    arguments = {"base_url": "https://host.example", "auth": auth, **wrong}
    try:
        kind(**arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is
        found = error
    del wrong, arguments
    net.look(found)
    assert type(found) in {ConfigurationError, TypeError}
    assert found.__context__ is None


@pytest.mark.parametrize("auth", PLACES)
def test_the_blocking_client(net: Net, auth: str) -> None:
    """What a call of the blocking client ends with comes through its thread without the token."""
    answers = MockTransport([json_response({"message": TOKEN}, 500), json_response(model(1, created_at=TOKEN))])
    with Client(transport=answers, token=TOKEN, auth=auth, retry=0) as chat:
        net.add("vars", f"{chat!r} {vars(chat)} {vars(chat._bridge)}")
        for _ in range(3):
            try:
                chat.models.get(1)
            except (AsyncChatError, AssertionError) as error:
                net.look(error)
    with plain_server(401, TOKEN.encode()) as base_url, Client(base_url, token=TOKEN, auth=auth) as chat:
        try:
            list(chat.models.list())
        except AsyncChatError as error:
            net.look(error)


@pytest.mark.parametrize("auth", PLACES)
def test_forgotten_clients(net: Net, auth: str) -> None:
    """The warnings about clients that nobody closed, and about calls that nobody awaited, show no token."""

    async def main() -> None:
        async with serving(http()) as server:
            chat = AsyncClient(server.base_url, token=TOKEN, auth=auth)
            await chat.request(GET)
            del chat
            gc.collect()
        AsyncClient(transport=MockTransport([]), token=TOKEN, auth=auth).models.get(1)  # type: ignore[unused-coroutine]

    asyncio.run(main(), debug=True)
    gc.collect()
    blocking = Client(transport=MockTransport([json_response(model(1))]), token=TOKEN, auth=auth)
    blocking.models.get(1)
    del blocking
    gc.collect()


def test_the_environment_is_in_no_frame() -> None:
    """Where a client finds its token by itself, no frame of what it raises holds the environment."""
    os.environ["ASYNCCHAT_API_TOKEN"] = TOKEN
    try:
        AsyncClient()
    except ConfigurationError as error:
        held = [
            repr(frame.f_locals) for each in chain(error, set()) for frame, _ in traceback.walk_tb(each.__traceback__)
        ]
    finally:
        del os.environ["ASYNCCHAT_API_TOKEN"]
    assert len(held) == 2
    assert TOKEN not in held[1]
    assert sys.exception() is None


# ---- the command line, and what it writes


FAULTS = [
    Fault("status", status=401),
    Fault("html", path="/models"),
    Fault("body", value=json.dumps({"data": TOKEN})),
    Fault("row", name="created_at", value=json.dumps(TOKEN)),
    Fault("same-page"),
    Fault("status", status=500, path="/conversations/{conversation_id}/messages", nth=2, times=12),
]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(models=2, conversations=8, messages_mean=2, token=TOKEN) as running:
        yield running


@pytest.mark.parametrize("fault", [None, *FAULTS], ids=lambda fault: fault and fault.kind)
def test_exports(
    net: Net,
    box: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    *,
    fault: Fault | None,
) -> None:
    """Neither the output of an export, nor its report, nor any file that it leaves holds the token."""
    for module in ("engine", "syncing.rounds"):
        monkeypatch.setattr(f"asyncchat.export.{module}.RETRY", attrs.evolve(_retry(), backoff=0.0, attempts=2))
    go_to(monkeypatch, box.base_url, TOKEN)
    assert invoke(capsys, "sync", f"sqlite:///{tmp_path}/done.db", "--quiet").code == 0
    box.clear_faults()
    if fault is not None:
        box.faults(fault)
    for command, target, *flags in (
        ("export", "out"),
        ("export", "json", "--json"),
        ("export", "none", "--since", "2025-13-01"),
        ("sync", f"sqlite:///{tmp_path}/begun.db"),
        ("sync", f"sqlite:///{tmp_path}/done.db", "--json"),
    ):
        ended = invoke(capsys, command, tmp_path / target if command == "export" else target, "--patience", "0", *flags)
        net.add("standard output", ended.out)
        net.add("standard error", ended.err)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            net.file(path)
    box.clear_faults()


def _retry() -> Any:
    from asyncchat.export import stopping  # noqa: PLC0415 - private, and needed here only

    return stopping.RETRY


@pytest.mark.parametrize("text", [TOKEN, quote(TOKEN), base64.b64encode(TOKEN.encode()).decode(), html.escape(TOKEN)])
@pytest.mark.parametrize("status", [200, 302, 401, 500])
def test_command_lines(
    net: Net,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    *,
    status: int,
    text: str,
) -> None:
    """A command line whose server repeats the token does not print it."""
    monkeypatch.setattr("asyncchat.export.engine.RETRY", attrs.evolve(_retry(), backoff=0.0, attempts=1))
    with plain_server(status, json.dumps({"message": text, "data": [{"id": text}]}).encode()) as base_url:
        go_to(monkeypatch, base_url, TOKEN)
        ended = invoke(capsys, "export", tmp_path / "out", "--patience", "0")
    net.add("standard output", ended.out)
    net.add("standard error", ended.err)


@pytest.mark.parametrize("content", [TOKEN + "\n" + TOKEN, TOKEN + "\xe9", ""])
def test_token_files(net: Net, capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str) -> None:
    """A token file that is of no use is refused without showing what is in it."""
    (tmp_path / "token").write_text(content, encoding="latin-1")
    ended = invoke(
        capsys, "export", tmp_path / "out", "--base-url", "https://host.example", "--token-file", tmp_path / "token"
    )
    net.add("standard error", ended.err)
    assert ended.code == 2
