"""The command `asyncchat`, also as `python -m asyncchat`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        from asyncchat.cli.app import run  # noqa: PLC0415 - its libraries are an extra
    except ModuleNotFoundError as exc:
        if exc.name != "click":
            raise
        print("asyncchat: the command line needs more: pip install 'asyncchat[cli]'", file=sys.stderr)  # noqa: T201
        return 2
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
