"""`verify`: is everything that a destination claims to hold there, and nothing else?"""

from __future__ import annotations

import functools
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import TypeVar

import anyio.to_thread
import attrs

from asyncchat import (
    AsyncClient,
    ConfigurationError,
)
from asyncchat.export.destinations.base import Destination
from asyncchat.export.destinations.choose import choose_destination
from asyncchat.export.destinations.contents import Contents, Kept, Readable
from asyncchat.export.fetch import conversations_of, is_there, models_of
from asyncchat.export.questions import Manner
from asyncchat.export.start import check_seconds, make_second
from asyncchat.export.stopping import PATIENCE, RETRY
from asyncchat.export.verifying.by_conversation import MessageCheck
from asyncchat.export.verifying.by_window import WindowCheck, read_rows
from asyncchat.export.verifying.findings import Findings
from asyncchat.export.verifying.report import VerifyObserver, VerifyReport
from asyncchat.export.verifying.stored import Stored
from asyncchat.export.windows import Span

T = TypeVar("T")


async def verify(
    client: AsyncClient,
    destination: str | os.PathLike[str] | Destination,
    *,
    messages: bool = True,
    repair: bool = False,
    patience: float = PATIENCE,
    source: str | None = None,
    observer: VerifyObserver | None = None,
) -> VerifyReport:
    """Check a finished export against the server: is a row missing, or one there that the server has not?

    Conversations are counted by windows of 1,000, and messages by conversation, both at the server and in the
    destination. Where the counts differ, windows are halved until they are small, read, and compared by ids. What has
    come since the export is no difference; what was deleted since is one. Rows that are there are not compared field by
    field, and a row that is missing in the very place where another one is too much shows only if that one is a
    conversation, by its messages. Nothing is changed, unless it is asked for.

    Args:
        client: The server that the export came from.
        destination: What `export` was given: a folder, a database's URL, or a `Destination` that has `contents()`.
        messages: Whether messages are checked, which takes a request for each conversation.
        repair: Whether rows that are missing are put in, in one transaction. For databases: the part files of a folder
            are replaced as a whole, by a fresh export. Rows that are extra stay.
        patience: Seconds for which a server that answers nothing is waited for. 0: none.
        source: What the export called the server; None: the client's base URL.
        observer: Is called with each `VerifyProgress`, in the event loop.

    Returns:
        Where the two differ, by ids. `intact` is true where they do not, `mended` where they do no more.

    Raises:
        ConfigurationError: The destination holds no finished export, or one of another server, or cannot be repaired.
        ExportError: Another export writes to it, it cannot be read, or the server ignores the filters.
        AsyncChatError: The server refused, or stopped answering.
    """
    try:
        chosen = choose_destination(destination, format="jsonl", csv_raw=False)
    finally:
        del destination  # a URL may hold a password, and a traceback shows the locals of its frames
    if not isinstance(chosen, Readable):
        raise ConfigurationError(f"{type(chosen).__name__} cannot be read back: verifying needs its contents()")
    patience = check_seconds(patience, "patience")
    contents = await anyio.to_thread.run_sync(chosen.contents)
    try:
        _refuse_other_server(contents, source or client.base_url)
        _refuse_repair(contents, repair=repair)
        run = _Verification(client, contents, patience=patience, observer=observer, repair=repair)
        return await run.whole(messages=messages)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(contents.close)


def _refuse_other_server(contents: Contents, source: str | None) -> None:
    told = contents.report.query.source
    if source is not None and source != told:
        raise ConfigurationError(
            f"{contents.report.destination} was exported from {told}, and this is {source}: ask that server, or say "
            f"that it is the same (source={told!r})"
        )


def _refuse_repair(contents: Contents, *, repair: bool) -> None:
    if repair and not contents.can_mend:
        raise ConfigurationError(
            f"{contents.report.destination} holds part files, which rows are not put into: "
            "export anew with fresh=True, which replaces them when all is there"
        )


class _Verification:
    """One comparison of a destination with the server."""

    def __init__(
        self,
        client: AsyncClient,
        contents: Contents,
        *,
        patience: float,
        observer: VerifyObserver | None,
        repair: bool,
    ) -> None:
        self._contents = contents
        self._report = report = contents.report
        self._query = report.query
        self._findings = Findings(int(report.as_of.timestamp()), observer, keeps_missing=repair)
        retry = attrs.evolve(RETRY, patience=patience)
        self._client = client.with_options(retry=retry, deadline=None, hooks=[self._findings.on_event])
        as_of, until = self._findings.as_of, make_second(self._query.until)
        # One second more, as the export has read: the filter cuts off fractions of its own second.
        self._span = Span(make_second(self._query.since), as_of if as_of == until else as_of + 1)
        self._manner = Manner.of(report.probe)
        self._rows: dict[str, int] = {}

    async def whole(self, *, messages: bool) -> VerifyReport:
        """Compare everything."""
        began = time.monotonic()
        await self._compare_models()
        kept = await _read(lambda: list(self._contents.conversations()))
        self._rows["conversations"] = len(kept)
        known = {each.id for each in kept}
        checks = [self._window_check(model_id, kept, known) for model_id in self._query.model_ids or (None,)]
        for check in checks:
            await check.compare(self._span)
        if messages and self._query.messages:
            await self._compare_messages(known, checks)
        damaged = await _read(self._contents.damaged)
        if self._findings.missing:
            await _read(lambda: self._contents.mend(self._findings.missing))
        return self._verdict(damaged, seconds=time.monotonic() - began)

    def _verdict(self, damaged: list[str], *, seconds: float) -> VerifyReport:
        findings = self._findings
        return VerifyReport(
            destination=self._report.destination,
            query=self._query,
            as_of=self._report.as_of,
            rows=self._rows,
            windows=findings.windows,
            conversations=findings.conversations,
            differences=tuple(findings.differences),
            damaged=tuple(damaged),
            uncertain=tuple(findings.uncertain),
            repaired=Counter(batch.kind for batch in findings.missing for _ in batch.rows),
            newer=findings.newer,
            requests=findings.requests,
            retries=findings.retries,
            seconds=seconds,
        )

    async def _compare_models(self) -> None:
        """Compare the models, with one retry only: a wrong address or token is told at once."""
        listing = models_of(self._client.with_options(retry=1))
        stored = await _read(self._contents.models)
        self._rows["models"] = len(stored)
        everything = Span(None, self._span.until)
        found = await read_rows(listing, everything, Manner(), self._findings)
        wanted = self._query.model_ids or found.keys()
        missing = [row for row_id, row in found.items() if row_id in wanted and row_id not in stored]
        self._findings.note("models", "all models", missing=missing, extra=stored - found.keys())

    def _window_check(self, model_id: int | None, kept: list[Kept], known: set[int]) -> WindowCheck:
        stored = Stored.of(kept, model_id, overlap=self._manner.overlap)
        return WindowCheck(
            conversations_of(self._client, model_id),
            stored,
            known=known,
            manner=attrs.evolve(self._manner, oldest=stored.oldest),
            findings=self._findings,
            is_there=functools.partial(is_there, self._client),
        )

    async def _compare_messages(self, known: set[int], checks: list[WindowCheck]) -> None:
        """Compare messages; what that shows of conversations is looked into."""
        counts = await _read(self._contents.message_counts)
        self._rows["messages"] = sum(counts.values())

        async def stored_ids(conversation_ids: Collection[int]) -> Mapping[int, set[int]]:
            return await _read(lambda: self._contents.message_ids(conversation_ids))

        async def changed_at(conversation_id: int) -> datetime:
            return (await self._client.conversations.get(conversation_id)).updated_at

        check = MessageCheck(
            lambda each: self._client.messages.list(each).raw(),
            stored_ids,
            self._findings,
            changed_at=changed_at if self._contents.is_synced else None,
        )
        await check.compare(known | counts.keys() | self._findings.missing_ids("conversations"), counts)
        unnamed = check.there - known - self._findings.missing_ids("conversations")
        began = [(await self._client.conversations.get(each)).created_at for each in sorted(unnamed)]
        for windows in checks:
            await windows.doubt(known & check.gone, began)


async def _read(function: Callable[[], T]) -> T:
    """Read from the destination, in a thread."""
    return await anyio.to_thread.run_sync(function)
