"""What the library calls an argument, in the words of this command line."""

from __future__ import annotations

import re
from typing import Final

_FLAGS: Final = {
    "allow_http=True": "--allow-http",
    "fresh=True": "--fresh",
    "base_url": "--base-url",
    "auth=": "--auth",
    "max_rate=": "--max-rate",
    "source=": "--source=",
    "ssl=": "--ca-file",
    "timeout=": "--timeout",
    "token=": "--token-file",
}
"""What errors of the library call an argument, and what it is here."""


def in_flags(message: str) -> str:
    """A message of the library, with the names of this command line's flags.

    One that names a file of profiles stays as it is: there, settings are called as in the library.
    """
    if "config.toml" in message:
        return message
    for argument, flag in _FLAGS.items():
        message = re.sub(rf"(?<![\w-]){re.escape(argument)}", flag, message)
    return message


def wording(exc: BaseException) -> str:
    """What an error of the library says here, its notes included."""
    return in_flags(". ".join([str(exc).rstrip("."), *getattr(exc, "__notes__", ())]))
