"""The blocking client where a loop runs already, or another kind of loop is asked for, each tried for real."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import nbclient
import nbformat
import pytest
from scripts import environment, run

from asyncchat.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(conversations=60, messages_mean=3) as running:
        yield running


IPYTHON = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in (
    "import asyncio; from asyncchat import Client; chat = Client()",
    "rows = len(list(chat.conversations.list(per_page=7)))",
    "await asyncio.sleep(0); asyncio.get_running_loop(); models = chat.models.list().count()",
    "print(rows, models); chat.close()",
):
    shell.run_cell(cell).raise_error()
"""


def test_ipython(box: Sandbox, tmp_path: Path) -> None:
    """In IPython, in cells with and without `await`."""
    assert run(IPYTHON, box=box, IPYTHONDIR=str(tmp_path)).stdout == "60 5\n"


CELLS = [
    "import asyncio, os, signal, threading\nfrom asyncchat import Client\nchat = Client()",
    "asyncio.get_running_loop()\nprint(len(list(chat.conversations.list(per_page=7))))",
    "await asyncio.sleep(0)\nprint(chat.models.list().count())",
    """
sent = []

def interrupt(event):
    if not sent:
        sent.append(event)
        os.kill(os.getpid(), signal.SIGINT)

slow = chat.with_options(hooks=[interrupt])
try:
    while True:
        slow.models.list().count()
except KeyboardInterrupt:
    print("interrupted", chat.models.list().count())
""",
    "chat.close()",
]


def test_jupyter(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook, which runs in a loop: cells with and without `await`, and one that is interrupted."""
    for name, value in environment(box, IPYTHONDIR=str(tmp_path), JUPYTER_RUNTIME_DIR=str(tmp_path)).items():
        monkeypatch.setenv(name, value)
    common: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    cells = [{**common, "id": f"cell-{number}", "source": source} for number, source in enumerate(CELLS)]
    whole = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    notebook = nbformat.reads(json.dumps(whole), as_version=4)  # type: ignore[no-untyped-call]  # it has no annotations
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    told = ["".join(output["text"] for output in cell["outputs"]) for cell in notebook["cells"]]
    assert told == ["", "60\n", "5\n", "interrupted 5\n", ""]


UVLOOP = """
import asyncio, os, signal, sys
from asyncchat import Client

class Own(asyncio.DefaultEventLoopPolicy):
    pass

if sys.argv[1] == "own":
    asyncio.set_event_loop_policy(Own())
elif sys.argv[1] == "missing":
    sys.modules["uvloop"] = None
elif sys.argv[1] == "old":
    import uvloop
    uvloop.__version__ = "0.22.1"
elif sys.argv[1] == "policy":
    import uvloop
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
kinds = set()
with Client(hooks=[lambda _: kinds.add(type(asyncio.get_running_loop()).__module__)]) as chat:
    print(len(list(chat.conversations.list(per_page=7))), chat.models.list().count(), *kinds)
    sent = []
    slow = chat.with_options(hooks=[lambda event: sent or sent.append(event) or os.kill(os.getpid(), signal.SIGINT)])
    try:
        while True:
            slow.models.list().count()
    except KeyboardInterrupt:
        print("interrupted", chat.models.list().count())
    pid = os.fork()
    if pid == 0:
        os._exit(chat.models.list().count())
    print("forked", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), chat.models.list().count())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no uvloop")
@pytest.mark.parametrize(
    ("which", "kind"),
    [
        ("none", "uvloop"),
        ("policy", "uvloop"),
        ("own", "asyncio.unix_events"),
        ("missing", "asyncio.unix_events"),
        ("old", "asyncio.unix_events"),
    ],
)
def test_uvloop(box: Sandbox, which: str, kind: str) -> None:
    """It is of uvloop where that is installed, unless the program has its own policy: reads, an interrupt, a fork."""
    assert run(UVLOOP, which, box=box).stdout == f"60 5 {kind}\ninterrupted 5\nforked 5 5\n"
