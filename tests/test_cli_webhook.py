"""`asyncchat webhook`: a receiver as a process, and a look into its inbox."""

from __future__ import annotations

import json
import re
import signal
import stat
from pathlib import Path
from typing import Any

import pytest
from cli_run import complaint, ended, invoke, spawn, until

from asyncchat.sandbox import Sandbox
from asyncchat.webhooks import Inbox

NOW = 1_750_000_000.0


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An inbox with one event of most kinds."""
    path = tmp_path / "in.db"
    with Inbox(path, attempts=1) as opened:
        opened.add([b'{"event": "a", "payload": "\\u001b]52;c"}', b"b", b"c", b"c"], NOW)
        first, second = opened.take("w", NOW, most=2)
        opened.done(first.id, "w", NOW)
        opened.failed(second.id, "w", NOW, "it broke")
        opened.reject(b"\x1b[2J\n", "no JSON", NOW)
    return path


def test_a_secret(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """It is printed, or put into a file that nobody else can read; with the URL to register; never over another one."""
    assert re.fullmatch(r"[\w-]{43}\n", invoke(capsys, "webhook", "secret").out)
    file = tmp_path / "secret"
    done = invoke(capsys, "webhook", "secret", "--secret-file", file, "--url", "https://host.example/webhook/")
    secret = file.read_text().strip()
    assert done.out == f"https://host.example/webhook/{secret}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "is there already" in complaint(invoke(capsys, "webhook", "secret", "--secret-file", file), 2)
    assert file.read_text().strip() == secret


def test_a_look_into_it(capsys: pytest.CaptureFixture[str], inbox: Path) -> None:
    """Events are listed and shown, and what a terminal would obey is not; all of it is there as JSON."""
    lines = invoke(capsys, "webhook", "list", "--inbox", inbox).out.splitlines()
    assert [line.split()[3] for line in lines] == ["done", "dead", "new", "rejected"]
    assert lines[1].endswith("(it broke)")
    assert lines[2].split()[4] == "2x"
    assert "\x1b" not in "".join(lines)
    told = [json.loads(line) for line in invoke(capsys, "webhook", "list", "--inbox", inbox, "--json").out.splitlines()]
    assert [each["id"] for each in told] == [1, 2, 3, 4]
    only = invoke(capsys, "webhook", "list", "--inbox", inbox, "--state", "dead", "--json").out
    assert json.loads(only)["error"] == "it broke"
    assert json.loads(invoke(capsys, "webhook", "show", "--inbox", inbox, "4").out)["body"] == "\x1b[2J\n"
    stats = json.loads(invoke(capsys, "webhook", "stats", "--inbox", inbox, "--json").out)
    assert stats["states"] == {"done": 1, "dead": 1, "new": 1, "rejected": 1}
    assert stats["duplicates"] == 1
    assert "  duplicates           1\n" in invoke(capsys, "webhook", "stats", "--inbox", inbox).out


def test_once_more(capsys: pytest.CaptureFixture[str], inbox: Path) -> None:
    """What is dead or done is handed over anew, where it is asked for."""
    assert invoke(capsys, "webhook", "replay", "--inbox", inbox, "--state", "dead").out == "1 will be handed over\n"
    assert invoke(capsys, "webhook", "replay", "--inbox", inbox, "1", "4", "99").out == "1 will be handed over\n"
    with Inbox(inbox) as opened:
        assert opened.stats().states == {"new": 3, "rejected": 1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list", "--inbox", "none.db"], "there is no inbox none.db"),
        (["replay", "--inbox", "{inbox}"], "give numbers of events, or --state"),
        (["show", "--inbox", "{inbox}", "77"], "there is no event 77"),
        (["serve", "--inbox", "x.db", "--secret-file", "none"], "the secret's file none cannot be read"),
        (["serve", "--inbox", "no/x.db", "--secret-file", "{secret}"], "there is no folder no"),
        (["serve", "--inbox", "{other}", "--secret-file", "{weak}"], "make_secret"),
        (["serve", "--inbox", "{other}", "--secret-file", "{secret}", "--jsonl", "no/x"], "no/x cannot be written"),
    ],
)
def test_wrong_usage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, inbox: Path, arguments: list[str], says: str
) -> None:
    """One line, exit code 2."""
    monkeypatch.chdir(inbox.parent)
    names: dict[str, Any] = {"inbox": inbox, "other": "other.db", "secret": "secret", "weak": "weak"}
    Path("secret").write_text("s" * 30)
    Path("weak").write_text("short")
    told = [argument.format(**names) for argument in arguments]
    assert says in complaint(invoke(capsys, "webhook", *told), 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_receiver(tmp_path: Path, number: signal.Signals) -> None:
    """What the sandbox's sender posts is in the file, a line for each; a signal ends it without a word."""
    (tmp_path / "secret").write_text("s" * 30 + "\n")
    jsonl = tmp_path / "events.jsonl"
    arguments = ["--inbox", tmp_path / "in.db", "--secret-file", tmp_path / "secret", "--port", "0", "--jsonl", jsonl]
    process = spawn("webhook", "serve", *map(str, arguments), settings={})
    assert process.stderr is not None
    first = process.stderr.readline()
    found = re.match(r"asyncchat: receiving at (http://127\.0\.0\.1:\d+)/webhook/SECRET, kept in ", first)
    assert found is not None, first
    with Sandbox(conversations=30) as box:
        report = box.send_webhooks(f"{found[1]}/webhook/{'s' * 30}", count=25)
    assert report is not None
    until(lambda: jsonl.exists() and len(jsonl.read_bytes().splitlines()) == 25, process)
    process.send_signal(number)
    done = ended(process)
    assert (done.code, done.out, done.err) == (0, "", "")
    events = [json.loads(line) for line in jsonl.read_text().splitlines()]
    assert {each["event"] for each in events} == {"keyword-notification"}
    assert len({each["payload"]["id"] for each in events}) > 5
    with Inbox(tmp_path / "in.db") as inbox:
        assert inbox.stats().states == {"done": 25}
