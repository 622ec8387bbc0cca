"""The secret that a webhook's URL or header must hold: the platform documents no signature."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from typing import Final

from asyncchat.errors import ConfigurationError

_BYTES: Final = 32
_LEAST: Final = 22
"""Characters of base64 that hold 128 bits."""


def make_secret() -> str:
    """A new secret of 256 bits, fit for a URL."""
    return secrets.token_urlsafe(_BYTES)


class Secrets:
    """The secrets that are right just now: two while one is being replaced. It shows none of them.

    Args:
        values: One or more.

    Raises:
        ConfigurationError: There is none, or one is too short to be one.
    """

    def __init__(self, values: str | Iterable[str]) -> None:
        given = [values] if isinstance(values, str) else [*values]
        self._values = [value.strip().encode() for value in given]
        if not self._values or any(len(value) < _LEAST for value in self._values):
            raise ConfigurationError(
                f"a webhook's secret has at least {_LEAST} characters: asyncchat.webhooks.make_secret() makes one"
            )

    def __repr__(self) -> str:
        return f"<{len(self._values)} secrets>"

    def hide(self, text: str) -> str:
        """A text without the secrets that stand in it."""
        for value in self._values:
            text = text.replace(value.decode(), "...")
        return text

    def is_right(self, given: Iterable[bytes]) -> bool:
        """Whether one of the texts that came is one of the secrets, in a time that tells nothing of them."""
        told = [hmac.compare_digest(value, each) for value in self._values for each in given]
        return any(told)
