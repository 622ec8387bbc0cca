"""Processes that are killed with signal 9 at random moments."""

from __future__ import annotations

import os
import random
import select
import signal
import time
from collections.abc import Callable
from typing import Final

CAN_KILL: Final = hasattr(os, "fork") and hasattr(os, "pidfd_open")


def seconds_of(run: Callable[[], object]) -> float:
    """How long a child process takes for something that ends well."""
    began = time.monotonic()
    child = start(run)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return time.monotonic() - began


def kill_until_done(run: Callable[[], object], chance: random.Random, seconds: float) -> int:
    """Start something in child processes, each killed after a random time, until one comes to its end.

    Args:
        run: What may be killed and started again.
        chance: Draws the times.
        seconds: How long `run` takes; a process that is started is killed within this time.

    Returns:
        How many were killed.
    """
    kills = 0
    while not survives(run, chance.uniform(0, seconds)):
        kills += 1
    return kills


def survives(run: Callable[[], object], seconds: float) -> bool:
    """Whether something comes to its end in a child process before it is killed, which is after some seconds."""
    child = start(run)
    process = os.pidfd_open(child)
    select.select([process], [], [], seconds)
    signal.pidfd_send_signal(process, signal.SIGKILL)  # a process that has ended is still there to be waited for
    os.close(process)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, -signal.SIGKILL}, "the run has failed by itself: its error is printed"
    return status == 0


def start(run: Callable[[], object]) -> int:
    """Start something in a child process, which ends with 0 if it ends well; returns the process's id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        run()
        status = 0
    except BaseException as exc:  # noqa: BLE001 - nothing of the parent may run here
        os.write(2, f"{type(exc).__name__}: {exc}\n".encode())
    finally:
        os._exit(status)
