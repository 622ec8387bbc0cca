"""What the command line tells of itself, and what it costs to ask."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from cli_run import complaint, ended, environment, invoke, leaves, spawn

import asyncchat
from asyncchat.cli.app import HOMES, cli

COMMANDS = sorted(cli.commands)
LEAVES = sorted(leaves())
"""Every command line that does something, by its words."""


def test_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """The help names every command with its first sentence, and the exit codes."""
    shown = invoke(capsys, "--help")
    assert COMMANDS == ["doctor", "export", "sandbox", "sync", "verify", "webhook"]
    assert all(f"\n  {name} " in shown.out for name in COMMANDS)
    assert (shown.code, shown.err) == (0, "")
    assert "Exit codes: 0 done" in shown.out


@pytest.mark.parametrize("name", COMMANDS)
def test_what_the_list_says_of_a_command(name: str) -> None:
    """It is the first sentence of the command's own help, which the list does not load."""
    text = str(cli.commands[name].help).split("\n\n")[0]
    assert " ".join(text.split()) == HOMES[name].says


@pytest.mark.parametrize("name", LEAVES)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_of_a_command(capsys: pytest.CaptureFixture[str], name: str, flag: str) -> None:
    """The help of a command explains every flag that it takes."""
    shown = invoke(capsys, *name.split(), flag)
    assert (shown.code, shown.err) == (0, "")
    options = [option for option in leaves()[name].params if isinstance(option, click.Option)]
    assert options
    for option in options:
        assert option.help
        assert all(f" {spelling}" in shown.out for spelling in option.opts)


def test_the_flags_of_the_export(capsys: pytest.CaptureFixture[str]) -> None:
    """The export takes these flags, and the token in none of them."""
    text = invoke(capsys, "export", "--help").out
    flags = {word for word in text.split() if word.startswith("--")}
    assert flags >= {
        *("--format", "--since", "--until", "--model", "--no-messages", "--base-url", "--auth", "--token-file"),
        *("--max-concurrency", "--max-rate", "--timeout", "--json", "--quiet", "--sandbox"),
    }
    assert "--token" not in flags


def test_lines_that_are_not_to_be_folded(capsys: pytest.CaptureFixture[str]) -> None:
    """An example in a help text stands on a line of its own."""
    assert "\n  Try it:  asyncchat export ./chat-export --sandbox\n" in invoke(capsys, "export", "-h").out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is the package's."""
    shown = invoke(capsys, "--version")
    assert (shown.code, shown.out) == (0, f"asyncchat, version {asyncchat.__version__}\n")


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command the help is shown as an error."""
    shown = invoke(capsys)
    assert (shown.code, shown.out) == (2, "")
    assert shown.err.startswith("Usage: asyncchat [OPTIONS] COMMAND [ARGS]...\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["exprot"], "No such command 'exprot'"),
        (["export", "x", "--tokn", "y"], "--tokn"),
        (["export"], "Missing argument 'DEST'"),
        (["export", "a", "b"], "Got unexpected extra argument (b)"),
        (["export", "x", "--format", "xml"], "'xml' is not one of 'jsonl'"),
        (["export", "x", "--model", "one"], "'one' is not a valid integer"),
        (["export", "x", "--max-concurrency", "0"], "0 is not in the range x>=1"),
        (["export", "x", "--max-rate", "0"], "0.0 is not in the range x>0"),
        (["export", "x", "--timeout", "-1"], "-1.0 is not in the range 0<x<=86400"),
        (["export", "x", "--sandbox", "--base-url", "http://h"], "--sandbox brings its own server"),
        (["sandbox", "--port", "65536"], "65536 is not in the range"),
        (["sandbox", "--conversations", "-1"], "-1 is not in the range"),
        (["sandbox", "--auth", "cookie"], "auth is 'cookie'"),
        (["sandbox", "--token", ""], "the token is empty"),
        (["sandbox", "--messages-mean", "nan"], "messages_mean"),
        (["doctor", "x"], "Got unexpected extra argument (x)"),
        (["doctor", "--sandbox", "--base-url", "http://h"], "--sandbox brings its own server"),
        (["sandbox", "--late", "inf"], "'late' must be < inf"),
        (["sandbox", "--rate-limit", "inf"], "'rate_limit' must be < inf"),
        (["sandbox", "--webhook", "foo"], "the webhook's URL is 'foo': write it as http://host/path"),
        (["sandbox", "--webhook", "http://h:port/"], "the webhook's URL is 'http://h:port/'"),
        (["sandbox", "--webhook", "http://h/", "--webhook-rate", "nan"], "'rate' must be > 0"),
        (["export", "x", "--sandbox", "--profile", "work"], "leave --profile out"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    """Wrong usage is one line that names the mistake and the help to read, and exit code 2."""
    line = complaint(invoke(capsys, *arguments), 2)
    assert words in line
    assert line.endswith("--help)")


LIGHT = """
import sys
from asyncchat.cli.app import run
code = run(sys.argv[1:])
heavy = {"aiohttp", "cattrs", "msgspec", "rich", "sqlite3"} | ({"asyncio", "attrs"} if len(sys.argv) == 2 else set())
heavy &= set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else code)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_is_light(arguments: list[str]) -> None:
    """Help and version are there without the libraries that do the work."""
    shown = ended(spawn(*arguments, program=LIGHT))
    assert (shown.code, shown.err) == (0, "")
    assert shown.out


WITHOUT_CLICK = """
import sys
sys.modules["click"] = None
from asyncchat.__main__ import main
sys.exit(main())
"""


def test_without_click() -> None:
    """Without the extra the command says how to get it."""
    line = complaint(ended(spawn("--version", program=WITHOUT_CLICK)), 2)
    assert line == "the command line needs more: pip install 'asyncchat[cli]'"


def test_as_a_module() -> None:
    """`python -m asyncchat` is the command."""
    shown = subprocess.run(
        [sys.executable, "-m", "asyncchat", "--version"],
        capture_output=True,
        text=True,
        check=False,
        env=environment({}),
    )
    assert (shown.returncode, shown.stdout) == (0, f"asyncchat, version {asyncchat.__version__}\n")
