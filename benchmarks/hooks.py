"""What hooks add to a call over a transport that answers at once: no hook, one that does nothing, OpenTelemetry's.

OpenTelemetry has no SDK here: its API alone records nothing. Candidates take turns, and the best of each counts.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from asyncchat import AsyncClient, Hook, Request, Response
from asyncchat.integrations.otel import OpenTelemetryHook
from asyncchat.testing import MockTransport

ROUNDS: Final = 15
CALLS: Final = 2_000
CANDIDATES: Final[dict[str, tuple[Hook, ...]]] = {
    "no hook": (),
    "a hook that does nothing": (lambda _: None,),
    "OpenTelemetryHook, without an SDK": (OpenTelemetryHook(),),
}


async def microseconds(hooks: tuple[Hook, ...]) -> float:
    """CPU time of a call, in microseconds."""
    transport = MockTransport(lambda _: Response(status=200))
    request = Request("GET", "/models/7")
    async with AsyncClient("https://chat.example.com/v1", transport=transport, hooks=hooks) as chat:
        began = time.process_time()
        for _ in range(CALLS):
            await chat.request(request)
        return (time.process_time() - began) / CALLS * 1e6


def main() -> None:
    """Print the microseconds of a call, and what is added to those without a hook."""
    taken: dict[str, list[float]] = {name: [] for name in CANDIDATES}
    for _ in range(ROUNDS):
        for name, hooks in CANDIDATES.items():
            taken[name].append(asyncio.run(microseconds(hooks)))
    bare = min(taken["no hook"])
    for name, times in taken.items():
        print(f"{name:<40}{min(times):>8.1f} us a call{min(times) - bare:>+8.1f}")


if __name__ == "__main__":
    main()
