"""Type checkers see what users are promised: the typing files hold under mypy and pyright, and can fail."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = ["typing_sync.py", "typing_user.py"]
WRONG = """
from typing import assert_type
from asyncchat import Client, Model

def wrong(chat: Client) -> None:
    assert_type(chat.models.get(1), str)
    chat.models.get("1")
"""


def check(tool: str, *paths: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run a type checker with the project's settings."""
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed: it is in the group `types`")
    more = ["--strict", f"--cache-dir={cache}"] if tool == "mypy" else []
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", tool, *more, *map(str, paths)],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("tool", ["mypy", "pyright"])
def test_the_typing_files_hold(tool: str, cache: Path) -> None:
    """Parameters and results are exact: what is promised passes, and what is refused is an error that is expected."""
    done = check(tool, *(HERE / name for name in FILES), cache=cache)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("tool", ["mypy", "pyright"])
def test_a_wrong_use_is_seen(tool: str, cache: Path, tmp_path: Path) -> None:
    """A wrong result and a wrong argument are errors: methods are not of any type."""
    (tmp_path / "wrong.py").write_text(WRONG)
    done = check(tool, tmp_path / "wrong.py", cache=cache)
    assert done.returncode == 1
    assert done.stdout.count("wrong.py:6:") == 1
    assert done.stdout.count("wrong.py:7:") == 1
