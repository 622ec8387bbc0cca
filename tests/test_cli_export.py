"""`asyncchat export`, when all goes well."""

from __future__ import annotations

import functools
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_run import access, ended, go_to, invoke, plain_server, spawn
from export_api import exported, left, manifest

import asyncchat.sandbox
from asyncchat.cli import render
from asyncchat.sandbox import Sandbox


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=30, token="box-token") as running:
        yield running


@pytest.fixture
def _there(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    go_to(monkeypatch, box.base_url, box.token)


def test_the_embedded_sandbox(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --sandbox nothing else is needed, and what the environment says of another server does not matter."""
    monkeypatch.setattr(asyncchat.sandbox, "Sandbox", functools.partial(Sandbox, conversations=20))
    monkeypatch.setenv("ASYNCCHAT_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("ASYNCCHAT_AUTH", "query:other")
    done = invoke(capsys, "export", tmp_path / "out", "--sandbox")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Exported sandbox of seed 1\n")
    assert re.search(r"\n  conversations +20\n", done.out)
    assert f"\n  destination   {tmp_path}/out\n" in done.out
    assert "\n  certified     yes, nothing is missing:\n" in done.out


@pytest.mark.usefixtures("_there")
def test_settings_from_the_environment(box: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The server and the token come from the environment, and the export is what the server holds."""
    done = invoke(capsys, "export", tmp_path)
    assert (done.code, done.err) == (0, "")
    assert exported(tmp_path, "messages") == list(box.truth("messages"))
    assert manifest(tmp_path)["query"]["source"] == box.base_url


@pytest.mark.parametrize("text", ["box-token", "  box-token\n", "box-token\r\n"])
def test_a_token_file(box: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str) -> None:
    """The token comes from a file, with or without space around it; flags name the server."""
    (tmp_path / "token").write_text(text)
    flags = ["--base-url", f"{box.base_url}/", "--token-file", tmp_path / "token", "--quiet"]
    assert invoke(capsys, "export", tmp_path / "out", *flags).code == 0


def test_a_token_from_the_standard_input(
    box: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --token-file - the token is the first line of the standard input."""
    monkeypatch.setattr("sys.stdin", io.StringIO("box-token\nmore\n"))
    flags = ["--base-url", box.base_url, "--token-file", "-", "--quiet"]
    assert invoke(capsys, "export", tmp_path / "out", *flags).code == 0


@pytest.mark.parametrize("auth", ["header:X-Api-Token", "query:api_token"])
@pytest.mark.parametrize("by_flag", [True, False])
def test_places_of_the_token(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, auth: str, by_flag: bool
) -> None:
    """Where the token goes is told by --auth or by the environment."""
    with Sandbox(conversations=3, auth=auth) as box:
        go_to(monkeypatch, box.base_url, box.token)
        if not by_flag:
            monkeypatch.setenv("ASYNCCHAT_AUTH", auth)
        flags = ["--auth", auth] if by_flag else []
        assert invoke(capsys, "export", tmp_path, "--quiet", *flags).code == 0


@pytest.mark.usefixtures("_there")
def test_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """--json prints what the manifest holds, the destination, and whether it was there already."""
    done = invoke(capsys, "export", tmp_path, "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == manifest(tmp_path) | {"destination": str(tmp_path), "reused": False}


@pytest.mark.usefixtures("_there")
def test_quiet(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """--quiet prints nothing."""
    done = invoke(capsys, "export", tmp_path, "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.usefixtures("_there")
def test_a_second_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The same command again says that it is done already."""
    invoke(capsys, "export", tmp_path)
    again = invoke(capsys, "export", tmp_path)
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith("Already exported http://")


@pytest.mark.usefixtures("_there")
def test_what_is_asked_for(box: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Models, the range and the limits reach the export."""
    one, two, *_ = (row["id"] for row in box.truth("models"))
    flags = ["--model", one, "--model", two, "--since", "2022-01-01", "--until", "2024-06-30T00:00:00+0700"]
    limits = ["--max-concurrency", 2, "--max-rate", 500, "--timeout", 10, "--format", "jsonl", "--no-messages"]
    assert invoke(capsys, "export", tmp_path, *flags, *limits).code == 0
    query = manifest(tmp_path)["query"]
    assert query == {
        "source": box.base_url,
        "format": "jsonl",
        "since": "2022-01-01T00:00:00+00:00",
        "until": "2024-06-29T17:00:00+00:00",
        "model_ids": [one, two],
        "messages": False,
    }
    assert not (tmp_path / "messages").exists()


def test_the_bound_on_requests(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more requests than --max-concurrency are in flight at once, and as many are."""
    with Sandbox(conversations=40, latency=0.005) as box:
        go_to(monkeypatch, box.base_url, box.token)
        invoke(capsys, "export", tmp_path, "--max-concurrency", 3)
        assert box.stats()["peak_in_flight"] == 3


@pytest.mark.usefixtures("_there")
def test_progress_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no terminal is, progress goes to the standard error in plain lines, and the summary to the output."""
    monkeypatch.setattr(render, "_LOGGED_SECONDS", 0.0)
    done = invoke(capsys, "export", tmp_path)
    assert done.out.startswith("Exported ")
    lines = done.err.splitlines()
    assert all(re.match(r"asyncchat: [\d,]+ of [\d,]+ conversations, ", line) for line in lines)
    assert lines[-1].startswith("asyncchat: 30 of 30 conversations, ")


@pytest.mark.usefixtures("_there")
@pytest.mark.parametrize("flag", ["--json", "--quiet"])
def test_no_progress(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    """With --json and with --quiet no progress is told."""
    monkeypatch.setattr(render, "_LOGGED_SECONDS", 0.0)
    assert invoke(capsys, "export", tmp_path, flag).err == ""


UNCERTAIN = b'{"data": [], "page": 1, "rows_per_page": 100, "total_pages": 1, "total_rows": 2}'


@pytest.mark.parametrize("flag", [None, "--quiet", "--json"])
def test_what_is_not_certified(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str | None
) -> None:
    """An export that is not proved complete is there, says so on any setting but --json, and ends with 3."""
    with plain_server(200, UNCERTAIN) as base_url:
        go_to(monkeypatch, base_url)
        done = invoke(capsys, "export", tmp_path, *([flag] if flag else []))
    assert done.code == 3
    assert manifest(tmp_path)["certified"] is False
    if flag is None:
        assert "certified     NO: these could not be proved complete\n    - window" in done.out
    elif flag == "--quiet":
        assert done.out == ""
        assert done.err == f"asyncchat: not all is proved complete: see {tmp_path}/manifest.json\n"
    else:
        assert json.loads(done.out)["certified"] is False


def test_a_name_that_is_no_text(box: Sandbox, tmp_path: Path) -> None:
    """A folder whose name is no UTF-8 is written to, and shown in ASCII."""
    folder = tmp_path / "caf\udce9"
    for flag in ("--no-messages", "--json"):
        settings = {"PYTHONIOENCODING": "ascii:strict", **access(box)}
        done = ended(spawn("export", folder, "--no-messages", flag, settings=settings))
        assert (done.code, done.err) == (0, "")
        assert "caf\\xdce9" in done.out or "caf\\udce9" in done.out
    assert "manifest.json" in left(folder)
