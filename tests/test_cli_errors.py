"""`asyncchat export`, given what is wrong: one line, the right exit code, nothing half-written."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from cli_run import TOKEN, complaint, go_to, invoke, plain_server
from export_api import left

from asyncchat.sandbox import Sandbox

Invoke = Callable[..., str]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=10, token=TOKEN) as running:
        yield running


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Invoke:
    """Runs an export that must fail, and gives its one line; nothing must be left of it."""

    def run(code: int, *arguments: object, dest: object = None) -> str:
        before = left(tmp_path)
        line = complaint(invoke(capsys, "export", tmp_path / "a" / "b" if dest is None else dest, *arguments), code)
        assert left(tmp_path) == before
        return line

    return run


# ---- settings


def test_no_base_url(refused: Invoke) -> None:
    """Without a base URL it says how to give one."""
    assert refused(2) == "no base URL: give --base-url https://host/v1, or set ASYNCCHAT_BASE_URL, or try --sandbox"


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("host/v1", "--base-url must be an http"),
        ("ftp://host/v1", "--base-url must be an http"),
        ("https://", "--base-url must be an http"),
        ("http://host:port/v1", "--base-url is no URL"),
        ("https://host/v1?token=1", "--base-url takes no query"),
        (f"https://me:{TOKEN}@host/v1", "--base-url holds a user name or password"),
        ("http://api.example.com/v1", "--base-url is plain http to api.example.com"),
        ("https://h/\x1b[2J", "--base-url must be an http"),
    ],
)
def test_bad_base_urls(refused: Invoke, monkeypatch: pytest.MonkeyPatch, base_url: str, words: str) -> None:
    """A base URL that cannot be used is refused with the reason, before anything is sent."""
    monkeypatch.setenv("ASYNCCHAT_API_TOKEN", TOKEN)
    assert words in refused(2, "--base-url", base_url)


@pytest.mark.parametrize("token", [None, ""])
def test_no_token(refused: Invoke, monkeypatch: pytest.MonkeyPatch, token: str | None) -> None:
    """Without a token it says how to give one."""
    if token is not None:
        monkeypatch.setenv("ASYNCCHAT_API_TOKEN", token)
    line = refused(2, "--base-url", "https://host/v1")
    assert line == "no token: set ASYNCCHAT_API_TOKEN, or give --token-file"


@pytest.mark.parametrize("inside", ["\n", " ", "\r\n", "é", "\x00"])
def test_bad_tokens(refused: Invoke, tmp_path: Path, inside: str) -> None:
    """A token that cannot be one is refused without showing it."""
    (tmp_path / "token").write_text(f"{TOKEN}{inside}second-half", encoding="utf-8")
    line = refused(2, "--base-url", "https://host/v1", "--token-file", tmp_path / "token")
    assert line.startswith("the token holds a space, a line end or a character outside ASCII")
    assert "second-half" not in line


@pytest.mark.parametrize(
    ("name", "words"), [("none", "No such file"), ("folder", "Is a directory"), ("bytes", "holds no text")]
)
def test_token_files(refused: Invoke, tmp_path: Path, name: str, words: str) -> None:
    """A token file that cannot be read is named with the reason."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    line = refused(2, "--base-url", "https://host/v1", "--token-file", tmp_path / name)
    assert f"--token-file {tmp_path}/{name}" in line
    assert words in line


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--since", "yesterday"], "since"),
        (["--until", "2025-02-30"], "until"),
        (["--since", "2025-05-05T05:05:05"], "since"),
        (["--since", "2025-06-02", "--until", "2025-06-01"], "since"),
        (["--since", "2999-01-01"], "since lies in the future"),
        (["--auth", "cookie"], "auth takes"),
        (["--ca-file", "/nowhere.pem"], "the CA file '/nowhere.pem' cannot be used"),
        (["--max-rate", "nan"], "max_rate takes"),
        (["--timeout", "inf"], "inf is not in the range 0<x<=86400"),
    ],
)
def test_bad_flags(
    box: Sandbox, refused: Invoke, monkeypatch: pytest.MonkeyPatch, flags: list[str], words: str
) -> None:
    """A flag that makes no sense is named, with exit code 2."""
    go_to(monkeypatch, box.base_url)
    assert words in refused(2, *flags)


# ---- servers


def test_a_wrong_token(box: Sandbox, refused: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that the server does not know is told as such, once."""
    go_to(monkeypatch, box.base_url, f"not-{TOKEN}")
    assert refused(1).startswith("GET /models: 401 Unauthorized: the token is wrong")


def test_an_unknown_host(refused: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that no name server knows is named."""

    def unknown(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    go_to(monkeypatch, "https://no-such-host.example/v1")
    assert "the host 'no-such-host.example' is unknown: check --base-url" in refused(1)


def test_a_refused_port(refused: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port at which nobody listens is named."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    go_to(monkeypatch, f"http://127.0.0.1:{port}/v1")
    assert f"cannot connect to 127.0.0.1:{port} (Connection refused)" in refused(1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (200, b"<html>log in</html>", "text/html"),
            "is not JSON but an HTML page: check that --base-url is the API's",
        ),
        ((200, b"{}", "application/json"), "the answer is not in the agreed shape: $.data is missing"),
        ((200, b"[]", "application/json"), "the answer is not in the agreed shape: $ expected an object, got a list"),
        ((200, b'{"data": null}', "application/json"), "expected a list, got null"),
        ((404, b"nothing here", "text/plain"), "404 Not Found: nothing here"),
        ((302, b"", "text/plain"), "302 Found. Nothing was followed. Set --base-url to where the API really is"),
        ((403, b'{"error": "no"}', "application/json"), "403 Forbidden: no."),
        ((418, b"\x1b]52;c;eA==\x07 \x9b31m", "text/plain"), "\\x1b]52;c;eA==\\x07"),
        ((500, b'{"message": "a\\u202eb\\nc\\u001b[2J\\ud800"}', "application/json"), "a\\x202eb c\\x1b[2J\\xd800"),
        ((401, f'{{"message": "{TOKEN} is wrong"}}'.encode(), "application/json"), "401 Unauthorized: *** is wrong"),
    ],
)
def test_other_servers(
    refused: Invoke, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes, str], words: str
) -> None:
    """A server that is not this API, or refuses, is told in one line: no control character, no token."""
    with plain_server(*answer) as base_url:
        go_to(monkeypatch, base_url)
        line = refused(1)
    assert words in line
    assert line.isprintable()


def test_a_model_that_is_not_there(box: Sandbox, refused: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that does not exist is named."""
    go_to(monkeypatch, box.base_url)
    assert refused(1, "--model", "-5").startswith("there is no model -5")


# ---- destinations


def test_a_file(box: Sandbox, refused: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A destination that is a file is refused, and the file stays."""
    go_to(monkeypatch, box.base_url)
    (tmp_path / "file").write_text("mine")
    assert "is a file: give a folder" in refused(2, dest=tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["file/below", "file/below/deeper", "n" * 300, "link"])
def test_not_to_be_made(
    box: Sandbox, refused: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """A destination that cannot be made is refused with the system's reason."""
    go_to(monkeypatch, box.base_url)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "else")
    line = refused(2, dest=tmp_path / name)
    assert str(tmp_path) in line
    assert any(words in line for words in ("Not a directory", "File exists", "File name too long"))


@pytest.mark.parametrize("kind", ["models", "messages", "manifest.json"])
def test_something_else(
    box: Sandbox, refused: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    """A destination that holds something else is refused, and that stays."""
    go_to(monkeypatch, box.base_url)
    (tmp_path / "out" / kind).mkdir(parents=True)
    assert "give another folder" in refused(2, dest=tmp_path / "out") or kind == "manifest.json"


def test_an_empty_destination(box: Sandbox, refused: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty destination, as of a variable that is not set, is refused."""
    go_to(monkeypatch, box.base_url)
    monkeypatch.chdir(tmp_path)
    assert refused(2, dest="").startswith("the destination is empty")


def test_another_export(
    box: Sandbox, refused: Invoke, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A destination that holds another export is refused, and that stays."""
    go_to(monkeypatch, box.base_url)
    invoke(capsys, "export", tmp_path / "out")
    assert "holds an export of something else: messages was True" in refused(2, "--no-messages", dest=tmp_path / "out")
