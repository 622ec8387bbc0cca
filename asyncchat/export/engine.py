"""Runs an export: models, then windows of conversations, each with its messages."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

import attrs

from asyncchat import (
    APIConnectionError,
    APIStatusError,
    AsyncChatError,
    AsyncClient,
    AsyncPager,
    AuthenticationError,
    ConfigurationError,
    DecodeError,
    ExportError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RawRow,
    RetryPolicy,
)
from asyncchat.export.destinations.files import Folder
from asyncchat.export.fetch import ATTEMPTS, Listing, Reading, read_messages, read_window
from asyncchat.export.lines import to_line, to_message_line
from asyncchat.export.progress import Tally
from asyncchat.export.report import KINDS, ExportReport, Query
from asyncchat.export.side_by_side import side_by_side
from asyncchat.export.windows import Seams, Span

RETRY: Final = RetryPolicy(attempts=6, max_backoff=60.0, max_retry_after=900.0)

_WINDOWS_AT_ONCE: Final = 4
_CONVERSATIONS_AT_ONCE: Final = 16
_FAILURES_IN_A_ROW: Final = 10
_FATAL: Final = (AuthenticationError, PermissionDeniedError)


@attrs.frozen
class _Window:
    listing: Listing
    span: Span

    def __str__(self) -> str:
        return f"window {self.span}"


@attrs.frozen
class _Conversation:
    id: int

    def __str__(self) -> str:
        return f"messages of conversation {self.id}"


_Item: TypeAlias = _Window | _Conversation


class Engine:
    """One run.

    Args:
        client: Where rows come from, telling the tally of its requests; its retries are widened to those of a bulk job.
        folder: Where they go.
        query: What is asked.
        span: Which conversations, by created_at.
        as_of: The second up to which the export is complete.
        tally: Counts, and tells how far the run has come.
    """

    def __init__(
        self, client: AsyncClient, folder: Folder, query: Query, *, span: Span, as_of: int, tally: Tally
    ) -> None:
        self._tally = tally
        self._client = client.with_options(retry=RETRY, deadline=None)
        self._folder = folder
        self._query = query
        self._span = span
        self._as_of = datetime.fromtimestamp(as_of, UTC)
        self._oldest = span.until
        self._seams = Seams()
        self._certificates: Counter[str] = Counter()
        self._doubts: list[str] = []
        self._deleted: list[int] = []
        self._aside: list[_Item] = []
        self._is_last_try = False
        self._failures = 0
        self._readable: set[type[_Item]] = set()

    async def run(self) -> ExportReport:
        """Export everything, and commit it.

        Raises:
            ExportError: The server cannot be exported from.
            AsyncChatError: The server refused, or stopped answering.
            OSError: The destination cannot be written.
        """
        began = time.monotonic()
        await self._models()
        scopes: Sequence[int | None] = self._query.model_ids or (None,)
        windows = [_Window(self._conversations_of(model_id), self._span) for model_id in scopes]
        self._tally.expects(sum([await window.listing(window.span).count() for window in windows]))
        await self._read(windows)
        self._is_last_try, aside = True, self._aside
        await self._read(aside)
        report = ExportReport(
            destination=str(self._folder.root),
            query=self._query,
            as_of=self._as_of,
            rows={kind: self._tally.rows[kind] for kind in kinds_of(self._query)},
            parts=self._folder.finish_parts(),
            certificates=dict(self._certificates),
            uncertified=tuple(self._doubts),
            deleted=tuple(self._deleted),
            requests=self._tally.requests,
            retries=self._tally.retries,
            seconds=time.monotonic() - began,
        )
        self._folder.commit(report)
        return report

    # ---- models

    async def _models(self) -> None:
        def listing(span: Span) -> AsyncPager[RawRow]:
            return self._client.models.list(since=span.since_time, until=span.until_time).raw()

        rows: list[RawRow] = []
        seams, spans = Seams(), [Span(None, self._span.until)]
        while spans:
            seams.add(spans)
            found = await read_window(listing, spans.pop(), oldest=0)
            if isinstance(found, Reading):
                self._judge(found)
                rows += filter(seams.is_new, found.rows)
            else:
                spans += found
        wanted = set(self._query.model_ids)
        missing = sorted(wanted - {row.id for row in rows})
        if missing:
            raise ExportError(f"there is no model {missing[0]}: an export without --model shows which there are")
        kept = [row for row in rows if not wanted or row.id in wanted]
        self._oldest = min((int(row.created_at.timestamp()) for row in kept), default=self._span.until)
        self._write("models", [to_line(row) for row in kept])

    # ---- conversations

    def _conversations_of(self, model_id: int | None) -> Listing:
        def listing(span: Span) -> AsyncPager[RawRow]:
            conversations = self._client.conversations
            return conversations.list(model_id=model_id, since=span.since_time, until=span.until_time).raw()

        return listing

    async def _read(self, items: Sequence[_Item]) -> None:
        """Read windows, and the smaller ones that they turn into, until all is read or put aside."""
        windows = [item for item in items if isinstance(item, _Window)]
        await self._read_messages([item.id for item in items if isinstance(item, _Conversation)])
        while windows:
            self._seams.add(window.span for window in windows)
            smaller: list[_Window] = []

            async def read(window: _Window, smaller: list[_Window] = smaller) -> None:
                async with self._or_aside(window):
                    smaller += await self._read_one(window)

            await side_by_side(read, windows, limit=_WINDOWS_AT_ONCE)
            windows = smaller

    async def _read_one(self, window: _Window) -> list[_Window]:
        found = await read_window(window.listing, window.span, oldest=self._oldest)
        if not isinstance(found, Reading):
            return [_Window(window.listing, span) for span in found]
        self._judge(found)
        new = [row for row in found.rows if self._seams.is_new(row)]
        self._write("conversations", [to_line(row) for row in new])
        self._tally.accepted_window()
        await self._read_messages([row.id for row in new])
        return []

    # ---- messages

    async def _read_messages(self, conversation_ids: Sequence[int]) -> None:
        if not self._query.messages:
            self._tally.finished(len(conversation_ids))
            return

        async def read(conversation_id: int) -> None:
            async with self._or_aside(_Conversation(conversation_id)):
                await self._read_conversation(conversation_id)

        await side_by_side(read, conversation_ids, limit=_CONVERSATIONS_AT_ONCE)

    async def _read_conversation(self, conversation_id: int) -> None:
        try:
            found = await self._messages_of(conversation_id)
        except ConfigurationError as exc:  # the server gave an id that nothing can be asked for by
            found = Reading(rows=(), doubt=f"{_Conversation(conversation_id)}: {exc}")
        if found is None:
            self._deleted.append(conversation_id)
        else:
            self._judge(found)
            self._write("messages", [to_message_line(row, conversation_id) for row in found.rows])
        self._tally.finished(1)

    async def _messages_of(self, conversation_id: int) -> Reading | None:
        """The messages of a conversation; None: it is gone, or has had none to find each time it was asked."""
        pager = self._client.messages.list(conversation_id).raw()
        for _ in range(ATTEMPTS):
            try:
                return await read_messages(pager, str(_Conversation(conversation_id)))
            except NotFoundError:
                if await self._is_gone(conversation_id):
                    break
        return None

    async def _is_gone(self, conversation_id: int) -> bool:
        """Whether a conversation whose messages are not found is not found itself."""
        try:
            await self._client.conversations.get(conversation_id)
        except NotFoundError:
            return True
        return False

    # ---- what came of it

    def _judge(self, found: Reading) -> None:
        if found.certificate is None:
            self._doubts.append(found.doubt)
        else:
            self._certificates[found.certificate.value] += 1
        self._failures = 0

    def _write(self, kind: str, lines: list[bytes]) -> None:
        if lines:
            self._tally.wrote(kind, self._folder.write(kind, lines))

    @contextlib.asynccontextmanager
    async def _or_aside(self, item: _Item) -> AsyncIterator[None]:
        """Put a failing item aside for a second try at the end, then note it as not certified.

        What stops everything is raised: the server refuses the token, asks to stay away, or answers nothing any more.
        """
        try:
            yield
        except _FATAL:
            raise
        except (APIConnectionError, APIStatusError, DecodeError) as exc:
            if isinstance(exc, RateLimitError) and (exc.retry_after or 0.0) > RETRY.max_retry_after:
                raise
            if self._is_last_try:
                self._doubts.append(f"{item}: {exc}")
                return
            self._failures += 1
            if self._failures >= _FAILURES_IN_A_ROW and not (type(item) in self._readable and await self._is_alive()):
                raise
            self._aside.append(item)
        else:
            self._readable.add(type(item))

    async def _is_alive(self) -> bool:
        """Whether the server answers anything at all: many items that fail in a row may just be those that fail."""
        try:
            await self._client.with_options(retry=1, deadline=60.0).models.list(per_page=1)
        except AsyncChatError:
            return False
        self._failures = 0
        return True


def kinds_of(query: Query) -> tuple[str, ...]:
    """The kinds of rows that a query asks for."""
    return KINDS if query.messages else KINDS[:2]
