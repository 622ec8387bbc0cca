"""`verify`: is everything that a destination claims to hold there, and nothing else?"""

from __future__ import annotations

import functools
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import anyio
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
from asyncchat.export.one_thread import OneThread
from asyncchat.export.questions import Manner
from asyncchat.export.start import check_seconds, make_second
from asyncchat.export.stopping import PATIENCE, RETRY
from asyncchat.export.verifying.by_conversation import MessageCheck
from asyncchat.export.verifying.by_window import WindowCheck, read_rows
from asyncchat.export.verifying.deep import Deep
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
    deep: bool = False,
    repair: bool = False,
    patience: float = PATIENCE,
    source: str | None = None,
    observer: VerifyObserver | None = None,
) -> VerifyReport:
    """Check a finished export against the server: is a row missing, or one there that the server has not?

    Conversations are counted by windows of 1,000, and messages by conversation, both at the server and in the
    destination. Where the counts differ, windows are halved until they are small, read, and compared by ids. What has
    come since the export is no difference; what was deleted since is one. Rows that are there are compared as a whole
    only where that is asked for (`deep`), and a row that is missing in the very place where another one is too much
    shows only then, or if that one is a conversation, by its messages. Nothing is changed, unless it is asked for.

    Args:
        client: The server that the export came from.
        destination: What `export` was given: a folder, a database's URL, or a `Destination` that has `contents()`.
        messages: Whether messages are checked, which takes a request for each conversation.
        deep: Whether every row is read, and compared with what is kept of it: a request for each page of conversations
            and of messages.
        repair: Whether rows that are missing, or not as they should be, are put in: all of them or none. Of a folder's
            files those that are damaged or hold such rows are replaced as a whole. Rows that are extra stay.
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
        chosen = choose_destination(destination, format=None)
    finally:
        del destination  # a URL may hold a password, and a traceback shows the locals of its frames
    if not isinstance(chosen, Readable):
        raise ConfigurationError(f"{type(chosen).__name__} cannot be read back: verifying needs its contents()")
    patience = check_seconds(patience, "patience")
    opened: list[Contents] = []  # also where this is cancelled while it is being opened
    thread = OneThread(chosen.name)
    try:
        await thread.call(lambda: opened.append(chosen.contents(mending=repair)))
        contents = opened[0]
        _refuse_other_server(contents, source or client.base_url)
        run = _Verification(client, contents, patience=patience, observer=observer, repair=repair)
        return await run.whole(messages=messages, deep=deep)
    finally:
        with anyio.CancelScope(shield=True):
            for each in opened:
                await thread.call(each.close)
        thread.close()


def _refuse_other_server(contents: Contents, source: str | None) -> None:
    told = contents.report.query.source
    if source is not None and source != told:
        raise ConfigurationError(
            f"{contents.report.destination} was exported from {told}, and this is {source}: ask that server, or say "
            f"that it is the same (source={told!r})"
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
        self._client = client.with_options(retry=retry, deadline=None, hooks=[self._findings])
        as_of, until = self._findings.as_of, make_second(self._query.until)
        # One second more, as the export has read: the filter cuts off fractions of its own second.
        self._span = Span(make_second(self._query.since), as_of if as_of == until else as_of + 1)
        self._manner = Manner.of(report.probe)
        self._rows: dict[str, int] = {}
        self._deep: Deep | None = None
        self._left_out: Sequence[str] = ()

    async def whole(self, *, messages: bool, deep: bool) -> VerifyReport:
        """Compare everything."""
        began = time.monotonic()
        if self._findings.keeps_missing:
            self._left_out = await _read(self._contents.damaged)
            self._refuse_half(messages=messages)
        if deep:
            self._deep = Deep(self._contents, self._findings.as_of)
            await self._deep.load()
        await self._compare(messages=messages)
        damaged = await _read(self._contents.damaged)
        if not self._findings.keeps_missing or (damaged and self._findings.uncertain):
            return self._verdict(damaged, (), seconds=time.monotonic() - began)
        told = list(self._findings.differences)
        if await self._distrust():  # what else is in their files is missing too
            self._left_out = damaged = await _read(self._contents.damaged)
            self._refuse_half(messages=messages)
            self._start_again()
            await self._compare(messages=messages)
        if self._findings.missing or damaged:
            await _read(lambda: self._contents.mend(self._findings.missing))
        self._findings.differences[:] = told
        return self._verdict(damaged, damaged, seconds=time.monotonic() - began)

    def _refuse_half(self, *, messages: bool) -> None:
        lost = [file for file in self._left_out if file.startswith("messages/")]
        if lost and not messages:
            raise ConfigurationError(
                f"{lost[0]} is damaged, and is not repaired without its messages: leave messages=False out"
            )

    async def _compare(self, *, messages: bool) -> None:
        await self._compare_models()
        kept = await _read(lambda: list(self._contents.conversations()))
        self._rows["conversations"] = len(kept)
        known = {each.id for each in kept}
        checks = await self._check_windows(kept, known)
        if messages and self._query.messages:
            await self._compare_messages(known, checks)

    async def _check_windows(self, kept: list[Kept], known: set[int]) -> list[WindowCheck]:
        """Compare conversations; once more, by windows that share seconds, where rows lie between those that touch."""
        checks = [self._window_check(model_id, kept, known) for model_id in self._query.model_ids or (None,)]
        for check in checks:
            await check.compare(self._span)
        if self._manner.overlap or not any([await check.has_gaps(self._span) for check in checks]):
            return checks
        self._manner = attrs.evolve(self._manner, overlap=True)
        self._findings.forget("conversations")
        return await self._check_windows(kept, known)

    async def _distrust(self) -> bool:
        """Hold for damaged what has changed rows; returns whether that leaves out others too."""
        changed: dict[str, set[int]] = {}
        for each in self._findings.differences:
            changed.setdefault(each.kind, set()).update(each.changed)
        found = [await _read(lambda: self._contents.distrust(kind, ids)) for kind, ids in changed.items() if ids]  # noqa: B023
        return any(found)

    def _start_again(self) -> None:
        """Compare once more, now that files are left out: by ids, since what is left is as it should be."""
        self._deep = None
        self._findings.missing.clear()
        self._findings.differences.clear()

    def _verdict(self, damaged: Sequence[str], replaced: Sequence[str], *, seconds: float) -> VerifyReport:
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
            replaced=tuple(replaced),
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
        changed = [] if self._deep is None else await self._deep.changed("models", list(found.values()))
        self._findings.note("models", "all models", missing=missing, extra=stored - found.keys(), changed=changed)

    def _window_check(self, model_id: int | None, kept: list[Kept], known: set[int]) -> WindowCheck:
        stored = Stored.of(kept, model_id, overlap=self._manner.overlap)
        return WindowCheck(
            conversations_of(self._client, model_id),
            stored,
            known=known,
            manner=attrs.evolve(self._manner, oldest=stored.oldest),
            findings=self._findings,
            is_there=functools.partial(is_there, self._client),
            deep=self._deep,
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
            deep=self._deep,
            takes_all=bool(self._left_out),
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
