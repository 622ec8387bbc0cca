"""`asyncchat doctor` against good servers and bad ones."""

from __future__ import annotations

import functools
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from cli_run import TOKEN, Ended, go_to, invoke, plain_server
from profiles import write_profiles

import asyncchat.sandbox
from asyncchat.cli import doctor, reach
from asyncchat.sandbox import Fault, Sandbox

Screen = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch

ALL = [
    "profile", "base URL", "auth", "token", "network", "TLS", "API", "clock", "round trip", "rate limits", "page size",
    "past the end", "since", "until", "counts", "fractions", "order",
]  # fmt: skip


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    with Sandbox(conversations=60, messages_mean=1, token=TOKEN) as running:
        yield running


@pytest.fixture
def box(shared: Sandbox, monkeypatch: Patch) -> Iterator[Sandbox]:
    """A sandbox that the environment leads to."""
    go_to(monkeypatch, shared.base_url)
    yield shared
    shared.clear_faults()
    shared.behave(max_per_page=1_000, rate_headers=False, rate_limit=None, past_end="empty")


def rows(done: Ended) -> dict[str, dict[str, Any]]:
    """The checks by name, from --json; the exit code and `ok` say whether one failed. No token is shown."""
    assert done.err == ""
    assert TOKEN not in done.out
    told = json.loads(done.out)
    checks = {check["name"]: check for check in told["checks"]}
    assert len(checks) == len(told["checks"])
    failed = [name for name, check in checks.items() if check["status"] == "failed"]
    assert (told["ok"], done.code) == (not failed, 1 if failed else 0)
    return checks


def statuses(done: Ended) -> dict[str, str]:
    """What is not fine, by name."""
    return {name: check["status"] for name, check in rows(done).items() if check["status"] != "ok"}


# ---- good servers


@pytest.mark.usefixtures("box")
def test_all_is_fine(capsys: Screen) -> None:
    """With good settings and a calm server every check is there, in order, and fine."""
    done = invoke(capsys, "doctor", "--json")
    assert list(rows(done)) == ALL
    assert statuses(done) == {}


@pytest.mark.usefixtures("box")
def test_the_table(capsys: Screen) -> None:
    """Without --json the same is a plain table of at most 80 columns that shows no token."""
    done = invoke(capsys, "doctor")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[-2:] == ["", "all is fine"]
    assert [line[11:25].strip() for line in lines[:-2] if line[2] != " "] == ALL
    assert all(len(line) <= 80 and line.isprintable() for line in lines)
    assert TOKEN not in done.out


def test_the_embedded_sandbox(capsys: Screen, monkeypatch: Patch) -> None:
    """With --sandbox nothing else is needed, and neither the environment nor a profile matters."""
    monkeypatch.setattr(asyncchat.sandbox, "Sandbox", functools.partial(Sandbox, conversations=20))
    monkeypatch.setenv("ASYNCCHAT_PROFILE", "none such")
    monkeypatch.setenv("ASYNCCHAT_BASE_URL", "http://127.0.0.1:9/v1")
    done = invoke(capsys, "doctor", "--sandbox", "--json")
    assert statuses(done) == {}
    assert sorted(rows(done)) == sorted(ALL)


def test_few_requests(box: Sandbox, capsys: Screen) -> None:
    """It sends two requests for the token and the clock, and those of the probe."""
    before = len(box.requests())
    told = json.loads(invoke(capsys, "doctor", "--json").out)
    assert len(box.requests()) - before == 2 + told["probe"]["requests"]
    assert told["probe"]["since"] == "inclusive"


@pytest.mark.parametrize(
    ("behaviour", "name", "words"),
    [
        ({"max_per_page": 50}, "page size", "clamped to 50 of 100 asked: fine, followed"),
        ({"rate_headers": True, "rate_limit": 1e6}, "rate limits", "ratelimit-limit: "),
        ({"past_end": "404"}, "past the end", "404: taken as the end"),
    ],
)
def test_ways_that_are_fine(box: Sandbox, capsys: Screen, behaviour: dict[str, Any], name: str, words: str) -> None:
    """A server's own ways are told with what they mean."""
    box.behave(**behaviour)
    done = invoke(capsys, "doctor", "--json")
    assert statuses(done) == {}
    assert words in rows(done)[name]["found"]


# ---- settings


def test_sources(box: Sandbox, capsys: Screen, monkeypatch: Patch, tmp_path: Path) -> None:
    """Each setting is told with the flag, variable or profile that it came from."""
    file = write_profiles(monkeypatch, tmp_path, f'[work]\ntoken = "{TOKEN}"\nauth = "bearer"')
    monkeypatch.delenv("ASYNCCHAT_API_TOKEN")
    found = rows(invoke(capsys, "doctor", "--json", "--profile", "work", "--base-url", box.base_url))
    assert found["profile"]["found"] == f"'work' of {file}"
    assert found["base URL"]["found"] == f"{box.base_url}, from --base-url"
    assert found["token"]["found"] == f"there, from profile 'work' of {file}"
    assert found["auth"]["found"] == f"bearer, from profile 'work' of {file}"


def test_an_open_file(box: Sandbox, capsys: Screen, monkeypatch: Patch, tmp_path: Path) -> None:
    """A profile that others can read is a warning with the command that cures it, and nothing fails."""
    text = f'[default]\nbase_url = "{box.base_url}"\ntoken = "{TOKEN}"'
    file = write_profiles(monkeypatch, tmp_path, text, mode=0o644)
    done = invoke(capsys, "doctor", "--json")
    assert statuses(done) == {"profile": "warning"}
    assert rows(done)["profile"]["change"] == f"chmod 600 {file}"
    assert "\n1 warning\n" in invoke(capsys, "doctor").out


@pytest.fixture
def _wrong_profile(monkeypatch: Patch, tmp_path: Path) -> None:
    write_profiles(monkeypatch, tmp_path, f'[work]\ntokn = "{TOKEN}"')


LATER = {"network", "TLS", "API", "clock", "round trip", "rate limits", "listings"}


def test_no_settings(capsys: Screen) -> None:
    """Without a base URL that check says what to give, and all later ones are skipped."""
    done = invoke(capsys, "doctor", "--json")
    assert statuses(done) == {"base URL": "failed"} | dict.fromkeys(LATER | {"auth", "token"}, "skipped")
    assert rows(done)["base URL"]["change"].startswith("give --base-url https://host/v1, or set ASYNCCHAT_BASE_URL")


@pytest.mark.parametrize(
    ("flags", "name", "words"),
    [
        (["--profile", "home"], "profile", "has no profile 'home': there are work"),
        (["--profile", "work"], "profile", "unknown key 'tokn'"),
        (["--base-url", "ftp://h"], "base URL", "--base-url must be an http"),
        (["--base-url", "http://api.example.com"], "base URL", "plain http to api.example.com"),
        (["--ca-file", "/nowhere.pem"], "base URL", "the CA file '/nowhere.pem' cannot be used"),
        (["--auth", "cookie"], "auth", "auth takes "),
        (["--token-file", "/nowhere"], "token", "--token-file /nowhere: No such file"),
    ],
)
@pytest.mark.usefixtures("box", "_wrong_profile")
def test_wrong_settings(capsys: Screen, flags: list[str], name: str, words: str) -> None:
    """A setting that cannot be used fails by its name, and no API is called."""
    done = invoke(capsys, "doctor", "--json", *flags)
    assert statuses(done).items() >= {name: "failed", "API": "skipped"}.items()
    assert words in rows(done)[name]["found"]


def test_a_missing_token_does_not_hide_the_network(box: Sandbox, capsys: Screen, monkeypatch: Patch) -> None:
    """Without a token the server is still looked at, and not called."""
    before = len(box.requests())
    monkeypatch.delenv("ASYNCCHAT_API_TOKEN")
    done = invoke(capsys, "doctor", "--json")
    assert statuses(done) == {"token": "failed"} | dict.fromkeys(LATER - {"network", "TLS"}, "skipped")
    assert len(box.requests()) == before


# ---- servers


def test_a_wrong_token(box: Sandbox, capsys: Screen, monkeypatch: Patch) -> None:
    """A token that the server does not know fails the API's check, and what needs it is skipped."""
    go_to(monkeypatch, box.base_url, f"not-{TOKEN}")
    done = invoke(capsys, "doctor", "--json")
    assert statuses(done) == {"API": "failed"} | dict.fromkeys(LATER - {"network", "TLS", "API"}, "skipped")
    check = rows(done)["API"]
    assert check["found"] == "GET /models: 401 Unauthorized: the token is wrong: send it as Authorization: Bearer TOKEN"
    assert check["change"] == "give the right token, or another --auth than bearer"


def test_no_server(capsys: Screen, monkeypatch: Patch) -> None:
    """A port at which nobody listens fails the network's check."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    go_to(monkeypatch, f"http://127.0.0.1:{port}/v1")
    done = invoke(capsys, "doctor", "--json")
    assert statuses(done) == {"network": "failed"} | dict.fromkeys(LATER - {"network"}, "skipped")
    assert rows(done)["network"]["found"] == f"127.0.0.1:{port} cannot be connected to (Connection refused)"


def test_an_unknown_host(capsys: Screen, monkeypatch: Patch) -> None:
    """A host that no name server knows fails the network's check."""

    def unknown(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    go_to(monkeypatch, "https://no-such-host.example/v1")
    done = invoke(capsys, "doctor", "--json")
    assert rows(done)["network"]["found"] == "the host no-such-host.example is unknown"


@pytest.mark.parametrize(
    ("answer", "found", "change"),
    [
        ((200, b"<html>log in</html>", "text/html"), "is not JSON but an HTML page", "not of a web page or a proxy"),
        ((404, b"nothing", "text/plain"), "404 Not Found: nothing", "give --base-url with the API's prefix"),
        ((403, b'{"error": "no"}', "application/json"), "403 Forbidden: no", "ask the platform for access"),
        ((500, b"\x1b[2J\xe2\x80\xaex", "text/plain"), "500 Internal Server Error", "see that the server is up"),
        ((401, f'"{TOKEN}"'.encode(), "application/json"), "401 Unauthorized", "give the right token"),
    ],
)
def test_other_servers(
    capsys: Screen, monkeypatch: Patch, answer: tuple[int, bytes, str], found: str, change: str
) -> None:
    """What is not this API, or refuses, is told with what to change; nothing on the screen moves the cursor."""
    monkeypatch.setattr(doctor, "_PATIENCE", {"attempts": 1})
    with plain_server(*answer) as base_url:
        go_to(monkeypatch, base_url)
        done = invoke(capsys, "doctor", "--json")
        shown = invoke(capsys, "doctor").out
    assert found in rows(done)["API"]["found"]
    assert change in rows(done)["API"]["change"]
    assert shown.replace("\n", "").isprintable()


def test_a_server_that_lists_nothing_readable(capsys: Screen, monkeypatch: Patch) -> None:
    """An API whose listings are in another shape fails the probe."""
    with plain_server(200, b"{}") as base_url:
        go_to(monkeypatch, base_url)
        done = invoke(capsys, "doctor", "--json")
    assert statuses(done)["probe"] == "failed"
    assert "$.data is missing" in rows(done)["probe"]["found"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("unfiltered"), {"since": "failed", "until": "failed", "counts": "unknown", "fractions": "unknown"}),
        (Fault("same-page"), {"past the end": "failed", "counts": "ok"}),
        (Fault("status", path="/conversations", nth=3), {"probe": "warning", "counts": "unknown"}),
    ],
    ids=["unfiltered", "same page", "one error"],
)
def test_what_exports_cannot_trust(box: Sandbox, capsys: Screen, fault: Fault, status: dict[str, str]) -> None:
    """A server that ignores filters or page numbers fails; one request that fails is a warning."""
    box.faults(fault)
    assert statuses(invoke(capsys, "doctor", "--json")) == {name: told for name, told in status.items() if told != "ok"}


@pytest.mark.parametrize(
    ("seconds", "status", "words"),
    [
        (30, "warning", "behind the server"),
        (-30, "warning", "ahead of the server"),
        (3_600, "failed", "behind the server"),
        (-3_600, "failed", "ahead of the server"),
    ],
)
def test_a_skewed_clock(capsys: Screen, monkeypatch: Patch, seconds: float, status: str, words: str) -> None:
    """A clock that differs from the server's is a warning, from a minute on a failure."""
    with Sandbox(conversations=3, clock=lambda: time.time() + seconds) as box:
        go_to(monkeypatch, box.base_url, box.token)
        done = invoke(capsys, "doctor", "--json")
    assert statuses(done)["clock"] == status
    assert words in rows(done)["clock"]["found"]


def test_a_proxy(box: Sandbox, capsys: Screen, monkeypatch: Patch, tmp_path: Path) -> None:
    """Where the profile says that proxies of the environment are used, the server is not connected to directly."""
    write_profiles(monkeypatch, tmp_path, "[default]\ntrust_env = true")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    done = invoke(capsys, "doctor", "--json")
    assert statuses(done) == {"network": "skipped", "TLS": "skipped"}
    assert reach.reach.__module__ not in done.out
