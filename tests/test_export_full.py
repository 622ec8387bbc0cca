"""The command, in a process of its own, against a whole account; `pytest -m large` for the size of a real one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from export_api import exported

from asyncchat.sandbox import Sandbox

KINDS: tuple[Literal["models", "conversations", "messages"], ...] = ("models", "conversations", "messages")


@pytest.mark.parametrize("conversations", [300, pytest.param(20_000, marks=pytest.mark.large)])
def test_the_export_equals_the_truth(conversations: int, tmp_path: Path) -> None:
    """Every row of the account is in the files once, with every value, and the export says that it is complete."""
    with Sandbox(conversations=conversations) as box:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "asyncchat", "export", str(tmp_path / "out"), "--json"],
            env={"ASYNCCHAT_BASE_URL": box.base_url, "ASYNCCHAT_API_TOKEN": box.token},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["certified"]
        assert report["requests"] == box.stats()["requests"]
        for kind in KINDS:
            assert exported(tmp_path / "out", kind) == list(box.truth(kind))
