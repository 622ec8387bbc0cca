"""What a piece of work costs in this process: time by the clock, CPU, peak memory."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Cost:
    """What a piece of work has cost.

    Attributes:
        wall: Seconds by the clock.
        cpu: Seconds of CPU, user and system, of all threads and of children that have ended.
        peak: MiB of memory that the process held at most meanwhile.
        value: What the work gave.
    """

    wall: float
    cpu: float
    peak: float
    value: Any = None


def measure(work: Callable[[], Any]) -> Cost:
    """Do it, and tell what it cost."""
    forget_peak()
    wall, cpu = time.perf_counter(), cpu_seconds()
    value = work()
    cost = (time.perf_counter() - wall, cpu_seconds() - cpu)
    return Cost(wall=cost[0], cpu=cost[1], peak=peak_memory(), value=value)


def cpu_seconds() -> float:
    """Seconds of CPU of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def forget_peak() -> None:
    """Let the peak of memory begin anew, where the system can do that."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory() -> float:
    """MiB that this process held at most, since it began or the peak was forgotten."""
    status = Path("/proc/self/status")
    if status.exists():  # rusage would count what the parent had, too
        return int(status.read_text(encoding="utf-8").partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
