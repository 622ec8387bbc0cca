"""Access: where the token must be in a request, and whether it is there."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Verdict: TypeAlias = Literal["granted", "missing", "wrong"]


@frozen
class Place:
    """Where the token stands in a request.

    Attributes:
        kind: "bearer", "header" or "query".
        name: The header or the query parameter; unused for "bearer".
    """

    kind: str
    name: str

    @classmethod
    def parse(cls, auth: str) -> Place:
        """Read a setting such as "bearer", "header:X-Api-Token" or "query:api_token".

        Raises:
            ValueError: If it is none of these.
        """
        kind, _, name = auth.partition(":")
        if auth != "bearer" and (kind not in {"header", "query"} or not name):
            raise ValueError(f'auth is {auth!r}: use "bearer", "header:NAME" or "query:NAME"')
        return cls(kind, name)

    @property
    def hint(self) -> str:
        """A sentence that says how to send the token."""
        places = {"header": f"the header {self.name}", "query": f"the query parameter {self.name}"}
        return f"send it as {places.get(self.kind, 'Authorization: Bearer TOKEN')}"

    def shown(self, headers: Mapping[str, str], pairs: Iterable[tuple[str, str]]) -> str:
        """What stands there; empty: nothing.

        Args:
            headers: The request's headers, found whatever their case.
            pairs: The decoded query parameters.
        """
        if self.kind == "query":
            return next((value for name, value in pairs if name == self.name), "")
        if self.kind == "header":
            return headers.get(self.name, "")
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


def judge(shown: str, token: str) -> Verdict:
    """Say whether who shows this may pass."""
    if not shown:
        return "missing"
    return "granted" if hmac.compare_digest(_bytes(shown), _bytes(token)) else "wrong"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
