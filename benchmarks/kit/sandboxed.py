"""The process of a sandbox: `python -m benchmarks.kit.sandboxed OPTIONS`, which are those of `Sandbox` as JSON."""

from __future__ import annotations

import json
import sys
from typing import Final

from asyncchat.sandbox import Sandbox

TOKEN: Final = "sandbox-token"  # noqa: S105 - it opens nothing


def main() -> None:
    """Serve until the standard input ends."""
    with Sandbox(token=TOKEN, **json.loads(sys.argv[1])) as box:
        print(json.dumps(box.base_url), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
