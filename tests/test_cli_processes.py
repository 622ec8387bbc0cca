"""Commands as processes: signals, pipes, full disks, and the sandbox command from start to stop."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_run import PROGRAM, access, complaint, ended, spawn, until
from export_api import kept, left

from asyncchat.sandbox import Sandbox

SIGNALS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


@pytest.fixture(scope="module")
def slow() -> Iterator[Sandbox]:
    """A sandbox whose export takes long enough to be in the middle of it."""
    with Sandbox(conversations=3_000, latency=0.02) as running:
        yield running


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=20) as running:
        yield running


def asked(box: Sandbox) -> int:
    return int(str(box.stats()["requests"]))


@pytest.mark.parametrize(("number", "code", "word"), SIGNALS)
def test_a_signal_in_the_middle(slow: Sandbox, tmp_path: Path, number: int, code: int, word: str) -> None:
    """A signal in the middle of an export ends it with one line and the shell's code; the same command goes on."""
    before = asked(slow)
    process = spawn("export", tmp_path / "a" / "b", settings=access(slow))
    until(lambda: asked(slow) > before + 30, process)
    assert left(tmp_path)
    process.send_signal(number)
    assert complaint(ended(process), code) == f"{word}: the same command goes on from what was read"
    assert kept(tmp_path) in ([], ["a", "a/b"])


def test_a_signal_to_the_embedded_sandbox(tmp_path: Path) -> None:
    """With --sandbox a signal ends the server in the process too."""
    process = spawn("export", tmp_path / "out", "--sandbox", "--max-rate", 20)
    until(lambda: bool(left(tmp_path)), process)
    process.send_signal(signal.SIGTERM)
    assert complaint(ended(process), 143) == "terminated: the same command goes on from what was read"
    assert kept(tmp_path) in ([], ["out"])


@pytest.mark.skipif(os.name != "posix", reason="a process is not killed without a word elsewhere")
def test_a_kill_in_the_middle(slow: Sandbox, box: Sandbox, tmp_path: Path) -> None:
    """An export that is killed leaves nothing that looks finished; another one into the same folder is refused."""
    before = asked(slow)
    process = spawn("export", tmp_path, settings=access(slow))
    until(lambda: asked(slow) > before + 30, process)
    process.kill()
    assert ended(process).code == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [".asyncchat-partial"]
    assert kept(tmp_path) == []
    refused = complaint(ended(spawn("export", tmp_path, "--quiet", settings=access(box))), 2)
    assert "holds an unfinished export of something else: source was 'http://127.0.0.1:" in refused


def test_two_at_once(slow: Sandbox, tmp_path: Path) -> None:
    """A second export into a folder that is being written to is refused, and the first one goes on."""
    before = asked(slow)
    first = spawn("export", tmp_path, settings=access(slow))
    until(lambda: asked(slow) > before + 30, first)
    assert "is writing to" in complaint(ended(spawn("export", tmp_path, settings=access(slow))), 1)
    assert first.poll() is None
    first.terminate()
    assert ended(first).code == 143


# ---- output that cannot be written


@pytest.mark.parametrize("arguments", [["--help"], ["export", "--help"], ["export", "{}", "--sandbox", "--json"]])
def test_a_closed_pipe(box: Sandbox, tmp_path: Path, arguments: list[str]) -> None:
    """When nobody reads the output any more, the command ends with 141 and without a word."""
    process = spawn(*(word.format(tmp_path / "out") for word in arguments))
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(60) == 141


def test_a_closed_pipe_for_progress(slow: Sandbox, tmp_path: Path) -> None:
    """When nobody reads the progress any more, the export ends with 141, and can be gone on with."""
    eager = f"import asyncchat.cli.render as render\nrender._LOGGED_SECONDS = 0.0\n{PROGRAM}"
    process = spawn("export", tmp_path / "out", program=eager, settings=access(slow))
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    assert process.wait(60) == 141
    assert kept(tmp_path) in ([], ["out"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
def test_a_full_output(box: Sandbox, tmp_path: Path) -> None:
    """An output that cannot be written is one line; the export is there."""
    with Path("/dev/full").open("w") as full:
        done = ended(spawn("export", tmp_path, stdout=full, settings=access(box)))
    assert complaint(done, 1) == "the output cannot be written (No space left on device)"
    assert "manifest.json" in left(tmp_path)


LIMITED = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))\n{PROGRAM}"


def test_a_full_disk(box: Sandbox, tmp_path: Path) -> None:
    """A disk that takes no more is one line, and what it did not take is not there."""
    process = spawn("export", tmp_path / "a" / "b", program=LIMITED, settings=access(box))
    line = complaint(ended(process), 1)
    assert re.match(rf"{tmp_path}/a/b cannot be written \([\w/ ]+\): what was committed is kept. Make room, ", line)
    assert kept(tmp_path) in ([], ["a", "a/b"])


# ---- the sandbox


def served(process: subprocess.Popen[str]) -> list[str]:
    """The banner, which is there as soon as the sandbox answers."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("Ctrl-C"):
            return lines
    raise AssertionError(ended(process))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_sandbox_serves(tmp_path: Path, number: int) -> None:
    """`asyncchat sandbox` says where it is and what to paste, serves until a signal, and ends with 0."""
    process = spawn("sandbox", "--port", 0, "--conversations", 7, "--models", 2, "--seed", 9, "--token", "t-9")
    lines = served(process)
    found = re.fullmatch(r"Sandbox of seed 9 at (http://127\.0\.0\.1:\d+/v1)", lines[0])
    assert found
    assert lines[1] == "  2 models, 7 conversations, 10 messages in each on average"
    settings = dict(line.removeprefix("  export ").split("=") for line in lines if line.startswith("  export "))
    assert settings == {"ASYNCCHAT_BASE_URL": found[1], "ASYNCCHAT_API_TOKEN": "t-9"}
    assert ended(spawn("export", tmp_path, "--quiet", settings=settings)).code == 0
    process.send_signal(number)
    done = ended(process)
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(r"stopped after \d+ requests\n", done.out)


def test_the_sandbox_with_another_auth() -> None:
    """The banner tells how the token is sent, where that is not usual, and shows no control character."""
    process = spawn("sandbox", "--port", 0, "--conversations", 0, "--auth", "query:key", "--token", "a\x1b[2J")
    lines = served(process)
    process.terminate()
    assert ended(process).code == 0
    assert "  export ASYNCCHAT_AUTH=query:key" in lines
    assert "  export ASYNCCHAT_API_TOKEN=a\\x1b[2J" in lines


def test_a_port_in_use() -> None:
    """A port that is taken is one line that says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        line = complaint(ended(spawn("sandbox", "--port", port, "--conversations", 0)), 1)
    assert line.startswith(f"cannot listen on 127.0.0.1:{port} (Address already in use")
    assert line.endswith(": choose another port, or 0")


def test_a_host_that_is_none() -> None:
    """An address that is not this machine's is one line."""
    assert "cannot listen on 192.0.2.1:0" in complaint(ended(spawn("sandbox", "--host", "192.0.2.1", "--port", 0)), 1)


LOOPS = """
import asyncio, sys
from asyncchat.cli.running import run_async
if sys.argv[1] == "missing":
    sys.modules["uvloop"] = None
elif sys.argv[1] == "old":
    import uvloop
    uvloop.__version__ = "0.22.1"

async def kind():
    return type(asyncio.get_running_loop()).__module__

print(run_async(kind()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no uvloop")
@pytest.mark.parametrize(
    ("which", "kind"), [("there", "uvloop"), ("missing", "asyncio.unix_events"), ("old", "asyncio.unix_events")]
)
def test_uvloop(which: str, kind: str) -> None:
    """Commands run on uvloop where it is installed, unless it is an old one, which leaves sockets open."""
    done = ended(spawn(which, program=LOOPS))
    assert (done.code, done.out) == (0, f"{kind}\n"), done
