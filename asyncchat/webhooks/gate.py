"""What is decided of a request before its body is kept. Nothing here waits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from asyncchat.webhooks.secrets import Secrets

HEADER: Final = "x-webhook-secret"
MOST_BYTES: Final = 256 * 1024
BODY_SECONDS: Final = 10.0

_PLAIN_ENCODINGS: Final = frozenset({"", "identity"})
_LONGEST: Final = 18
"""Digits of a length: Python reads no number of thousands of them."""


@attrs.frozen(kw_only=True)
class Incoming:
    """What an adapter knows of a request before its body.

    Attributes:
        method: In capitals.
        headers: By their names in small letters.
        secrets: What may be the secret: from the path and the query; the header is looked at besides.
    """

    method: str
    headers: Mapping[str, str]
    secrets: Sequence[str] = attrs.field(default=(), repr=False)


@attrs.frozen
class Answer:
    """What to answer.

    Attributes:
        status: Such as 200.
        text: The body, for people.
        headers: Besides the usual ones.
    """

    status: int
    text: str
    headers: Mapping[str, str] = attrs.field(factory=dict)


class SenderGoneError(Exception):
    """Whoever posts has gone before the body was whole: for adapters to raise where they give its parts."""


class Gate:
    """Who may come in, and with how much.

    Args:
        secrets: What callers must have in the path, the query or the header; two while one is being replaced.
        header: The header's name.
        max_bytes: The largest body.
        body_seconds: How long a body may take to come.

    Raises:
        ConfigurationError: A secret is too short.
    """

    def __init__(
        self,
        secrets: Secrets | str | Iterable[str],
        *,
        header: str = HEADER,
        max_bytes: int = MOST_BYTES,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self.secrets = secrets if isinstance(secrets, Secrets) else Secrets(secrets)
        self.body_seconds = body_seconds
        self._header = header.lower()
        self._max_bytes = max_bytes

    def refuse(self, incoming: Incoming) -> Answer | None:
        """What a request gets without a look at its body; None: its body is to be read."""
        told = [*incoming.secrets, incoming.headers.get(self._header, "")]
        if not self.secrets.is_right([each.encode("utf-8", "surrogatepass") for each in told]):
            return Answer(404, "there is nothing here")
        if incoming.method != "POST":
            return Answer(405, "post to it", {"Allow": "POST"})
        length = incoming.headers.get("content-length") or "0"
        if not length.isascii() or not length.isdigit() or len(length) > _LONGEST or int(length) > self._max_bytes:
            return self._too_large()
        if incoming.headers.get("content-encoding", "").strip().lower() not in _PLAIN_ENCODINGS:
            return Answer(415, "send it as it is: compressed bodies are not inflated")
        return None

    def begin(self, incoming: Incoming, now: float) -> Body:
        """A body that is about to come.

        Args:
            incoming: What is known of it.
            now: Seconds of any clock that never goes back.
        """
        length = incoming.headers.get("content-length")
        return Body(self, now + self.body_seconds, int(length) if length else None)

    def judge(self, size: int, *, is_late: bool) -> Answer | None:
        """What a body gets of which so many bytes have come; None: it may go on."""
        if size > self._max_bytes:
            return self._too_large()
        return self.too_late() if is_late else None

    def gone(self) -> Answer:
        """What is said, to nobody, of a body that has not come to its end."""
        return Answer(400, "the body ended too soon")

    def too_late(self) -> Answer:
        """What a body gets that takes too long."""
        return Answer(408, f"the body took longer than {self.body_seconds:g} s")

    def _too_large(self) -> Answer:
        return Answer(413, f"an event has at most {self._max_bytes:,} bytes")


class Body:
    """A body that comes in parts.

    Args:
        gate: What bounds it.
        until: When it must be whole.
        length: How many bytes were announced; None: it was not told.
    """

    def __init__(self, gate: Gate, until: float, length: int | None) -> None:
        self._gate = gate
        self._until = until
        self._length = length
        self._parts = bytearray()

    def add(self, chunk: bytes, now: float) -> Answer | None:
        """Take a part; the answer if it is one too many or too late."""
        self._parts += chunk
        return self._gate.judge(len(self._parts), is_late=now > self._until)

    def end(self) -> bytes | Answer:
        """All of it, after its last part; the answer if bytes are missing: WSGI tells of no sender that has gone."""
        if self._length is not None and len(self._parts) != self._length:
            return self._gate.gone()
        return bytes(self._parts)
