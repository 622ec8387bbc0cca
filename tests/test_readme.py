"""The README says what is true: its code runs, its commands and names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_run import leaves
from click.testing import CliRunner

import asyncchat
from asyncchat.cli.app import cli
from asyncchat.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
ALL_BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
BLOCKS = [block for block in ALL_BLOCKS if not re.search(r"^(app|urlpatterns) = ", block, re.MULTILINE)]
"""All but those of web sites, which test_webhook_sites.py runs in their servers."""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=60, messages_mean=3) as box:
        yield box


def heading(block: str) -> str:
    """The heading that a block stands under."""
    return str(re.findall(r"^## (.*)$", README[: README.index(block)], re.MULTILINE)[-1])


@pytest.mark.parametrize("block", BLOCKS, ids=[heading(block) for block in BLOCKS])
def test_code_runs(block: str, box: Sandbox, tmp_path: Path) -> None:
    """Every Python block runs as it stands, with the address and token in the environment."""
    env = {"ASYNCCHAT_BASE_URL": box.base_url, "ASYNCCHAT_API_TOKEN": box.token, "PATH": ""}
    (tmp_path / "test_block.py").write_text(block, encoding="utf-8")
    how = ["-m", "pytest", "-q"] if "def test_" in block else ["-W", "error"]
    settings = ["-o", "asyncio_default_fixture_loop_scope=function"] if "def test_" in block else []
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, *how, "test_block.py", *settings],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout != ""


def test_there_are_blocks() -> None:
    """The examples are found."""
    assert [heading(block) for block in BLOCKS] == [
        "Async",
        "Blocking code",
        "Blocking code",
        "Export",
        "Export",
        "Export",
        "Export",
        "Export",
        "Webhooks",
        "Errors",
        "Observability",
        "Sandbox",
        "Testing your code",
    ]


def test_the_examples_are_short() -> None:
    """The async example has 10 lines, the sync one 6, the one of a user's tests 15, blank lines not counted."""
    sizes = [sum(bool(line.strip()) for line in block.splitlines()) for block in BLOCKS]
    assert sizes[0] <= 10
    assert sizes[1] <= 6
    assert sizes[-1] <= 15


def flags(command: str) -> set[str]:
    """The long flags that a command's help names."""
    text = CliRunner().invoke(cli, [*command.split(), "--help"]).output
    return set(re.findall(r"(--[a-z][a-z-]+)", text)) - {"--help"}


@pytest.mark.parametrize("command", sorted(leaves()))
def test_flags_are_told(command: str) -> None:
    """The README's table names exactly the flags that a command has."""
    (row,) = re.findall(rf"^\| `asyncchat {command}[ `].*$", README, re.MULTILINE)
    assert set(re.findall(r"(--[a-z][a-z-]+)", row)) == flags(command)


def test_commands_are_told() -> None:
    """Every command is in the README."""
    assert set(re.findall(r"^\| `asyncchat (\w+)", README, re.MULTILINE)) == set(cli.commands)


def test_errors_are_told() -> None:
    """Every error class is in the README, but the base of what is not built yet."""
    names = {name for name in asyncchat.__all__ if name.endswith("Error")}
    assert names == {name for name in names if f"`{name}`" in README}
