"""The blocking client in processes of its own: interrupted, forgotten at exit, forked."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WAIT = 30.0


def test_an_interrupt_cancels_the_call() -> None:
    """Ctrl-C ends the call at once, gives its slot back, and leaves the client usable."""
    code = """
import signal, threading, os
from asyncchat import Client
from asyncchat.sandbox import Sandbox
with Sandbox(conversations=5, latency=0.2) as box:
    with Client(box.base_url, token=box.token, max_concurrency=1) as client:
        client.models.list().count()
        def interrupt():
            while box.stats()["in_flight"] == 0:
                pass
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            client.conversations.list().collect()
        except KeyboardInterrupt:
            print("interrupted", client.models.list().count())
"""
    assert run(code).stdout == "interrupted 5\n"


def run(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
        env={**os.environ, **environ},
    )
    assert done.returncode == 0, done.stderr
    return done


FORGET = """
from asyncchat import Client
from asyncchat.sandbox import Sandbox
box = Sandbox(conversations=30)
box.start()
client = Client(box.base_url, token=box.token)
rows = iter(client.conversations.list(per_page=3))
next(rows)
print("done")
"""


def test_forgetting_it_at_exit_does_not_hang() -> None:
    """An interpreter that ends with an open client, in the middle of a loop, ends, and warns once."""
    done = run(FORGET, PYTHONWARNINGS="always::ResourceWarning")
    assert done.stdout == "done\n"
    assert done.stderr.count("an asyncchat client was never closed") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_a_loop_of_its_own() -> None:
    """A client that was used before a fork works in the child, and goes on in the parent."""
    code = """
import os, warnings
from asyncchat import Client
from asyncchat.sandbox import Sandbox
warnings.simplefilter("ignore", DeprecationWarning)
with Sandbox(conversations=5) as box:
    with Client(box.base_url, token=box.token) as client:
        client.models.list().count()
        view = client.with_options(per_page=2)
        pid = os.fork()
        if pid == 0:
            good = client.models.list().count() == 5 and len(list(view.models.list())) == 5
            os._exit(0 if good else 9)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        print(client.models.list().count())
"""
    assert run(code).stdout == "5\n"
