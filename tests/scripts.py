"""Python programs of their own, for what cannot be tried inside the test process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import asyncchat

if TYPE_CHECKING:
    from asyncchat.sandbox import Sandbox

WAIT = 60.0
"""Seconds after which a program hangs."""


def environment(box: Sandbox | None = None, **more: str) -> dict[str, str]:
    """The variables of a program that finds this package, and the sandbox as its server."""
    found = os.environ | {"PYTHONPATH": str(Path(asyncchat.__file__).parent.parent), "PYTHONWARNINGS": "ignore"}
    if box is not None:
        found |= {"ASYNCCHAT_BASE_URL": box.base_url, "ASYNCCHAT_API_TOKEN": box.token}
    return found | more


def run(
    code: str, *arguments: str, box: Sandbox | None = None, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, which must be a good one."""
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
        env=environment(box, **environ),
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return done
