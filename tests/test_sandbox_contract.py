"""The contract: served as it is, and kept, which schemathesis finds out from the outside."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from contract_shapes import ask

from asyncchat.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from pathlib import Path


def schemathesis(box: Sandbox, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run all checks of schemathesis in a process of its own: it needs no warning filter of ours."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{box.origin}/openapi.json", "--url", box.base_url]
    command += ["--header", f"Authorization: Bearer {box.token}", "--checks", "all", "--seed", "1", "--no-color"]
    command += ["--generation-deterministic", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603


@pytest.mark.asyncio
async def test_it_is_served_without_a_token() -> None:
    """`/openapi.json` at the root is the contract, and needs no token."""
    with Sandbox(conversations=0) as box:
        reply = await ask(box, "/openapi.json", origin=box.origin, headers={})
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
        assert (await ask(box, "/openapi.json", origin=box.origin, method="POST")).status == 405
    assert reply.body["openapi"] == "3.1.0"
    assert set(reply.body["paths"]) == {
        "/models",
        "/models/{model_id}",
        "/models/{model_id}/conversations",
        "/conversations",
        "/conversations/{conversation_id}",
        "/conversations/{conversation_id}/messages",
    }
    assert set(reply.body["webhooks"]) == {"keyword-notification"}
    assert reply.body["servers"][0]["variables"]["base_url"]["default"] == "http://127.0.0.1:8080/v1"


@pytest.mark.heavy
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """More than a thousand requests, right and wrong ones, find no deviation from the contract."""
    with Sandbox(conversations=40, models=3) as box:
        run = schemathesis(box, tmp_path, "--max-examples", "60")
        seen = box.stats()["by_status"]
    assert run.returncode == 0, run.stdout[-5_000:] + run.stderr[-5_000:]
    cases = re.search(r"(\d+) generated, (\d+) passed", run.stdout)
    assert cases, run.stdout
    assert cases[1] == cases[2]
    assert int(cases[1]) > 1_000
    assert isinstance(seen, dict)
    assert set(seen) == {"200", "401", "404", "405", "422"}  # so that both what is right and what is wrong was tried


def test_schemathesis_would_find_something(tmp_path: Path) -> None:
    """The same checks fail when rows are not as the contract says."""
    with Sandbox(conversations=40, faults=[Fault("ids", value="text", path="/models")]) as box:
        run = schemathesis(box, tmp_path, "--max-examples", "1", "--phases", "examples")
    assert run.returncode == 1
    assert "violates schema" in run.stdout
