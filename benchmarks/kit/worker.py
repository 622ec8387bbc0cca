"""The process of a worker: `python -m benchmarks.kit.worker MODULE:FUNCTION LOOP`.

Each line of the standard input is a JSON object of arguments, each line of the output what the call cost. What the
candidate prints goes to the standard error.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

import attrs

from benchmarks.kit.costs import Cost, measure
from benchmarks.kit.loops import make_loop


def main() -> None:
    """Call the function as often as is asked for."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    module, _, name = sys.argv[1].partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as exc:
        _say(answers, exc.name)
        return
    _say(answers, None)
    for line in sys.stdin:
        _say(answers, attrs.asdict(_called(function, json.loads(line), sys.argv[2])))


def _called(function: Callable[..., Any], arguments: dict[str, Any], loop: str) -> Cost:
    if not inspect.iscoroutinefunction(function):
        return measure(functools.partial(function, **arguments))
    with asyncio.Runner(loop_factory=make_loop(loop)) as runner:
        runner.get_loop()  # made before the clock begins
        return measure(lambda: runner.run(function(**arguments)))


def _say(answers: TextIO, value: object) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
