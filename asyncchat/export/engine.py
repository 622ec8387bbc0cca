"""Runs an export: models, then windows of conversations, each conversation with its messages."""

from __future__ import annotations

import functools
from typing import Final

import attrs

from asyncchat import (
    AsyncChatError,
    AsyncClient,
    ConfigurationError,
    ExportError,
    NotFoundError,
    RawRow,
)
from asyncchat.export.destinations.base import Batch
from asyncchat.export.fetch import conversations_of, is_there, models_of, read_messages, read_window
from asyncchat.export.ledger import Ledger, Plan
from asyncchat.export.progress import Tally
from asyncchat.export.questions import Manner, Reading
from asyncchat.export.report import Query
from asyncchat.export.seams import Seams
from asyncchat.export.side_by_side import work_off
from asyncchat.export.sink import Sink
from asyncchat.export.stopping import FAILURES, RETRY, stops_all
from asyncchat.export.windows import Certificate, Span
from asyncchat.export.work import ConversationItem, Item, WindowItem

_ATTEMPTS: Final = 3
_AT_ONCE: Final = 32
_PAGES_BESIDE_MESSAGES: Final = 16
"""Pages of a window where messages are read too. What a window holds waits in memory until it is proved; the further
request that each may take is next to nothing beside those for messages."""
_FAILURES_IN_A_ROW: Final = 10


class Engine:
    """Reads what a ledger says has still to be read, until nothing is left.

    Args:
        client: Where rows come from, telling the tally of its requests; its retries are widened to those of a bulk job.
        query: What is asked.
        ledger: Where the export stands.
        sink: Where rows go.
        tally: Tells how far the run has come.
        patience: Seconds for which a server that answers nothing is waited for.
    """

    def __init__(
        self, client: AsyncClient, query: Query, *, ledger: Ledger, sink: Sink, tally: Tally, patience: float
    ) -> None:
        retry = attrs.evolve(RETRY, patience=patience)
        self._client = client.with_options(retry=retry, deadline=None)
        self._query = query
        self._ledger = ledger
        self._sink = sink
        self._tally = tally
        self._manner = Manner()
        self._is_last_try = False
        self._failures = 0
        self._readable: set[type[Item]] = set()

    async def begin(self, plan: Plan) -> None:
        """Read the models, count the conversations, and fix the plan.

        Args:
            plan: As far as it is known before.

        Raises:
            ExportError: The server cannot be exported from, or has not a model that was asked for.
            AsyncChatError: The server refused, or stopped answering.
        """
        models = await self._read_models(plan.span)
        oldest = min((int(row.created_at.timestamp()) for row in models), default=plan.span.until)
        count = await self._count(plan.span)
        self._put("models", models)
        self._ledger.begin(attrs.evolve(plan, oldest=oldest, conversations=count), self._query.model_ids)

    async def run(self) -> None:
        """Read everything that is left, what fails once more at the end.

        Raises:
            ExportError: The server cannot be exported from.
            AsyncChatError: The server refused, or stopped answering.
        """
        plan = self._ledger.plan
        assert plan is not None
        self._manner = attrs.evolve(plan.manner, pages=_PAGES_BESIDE_MESSAGES if self._query.messages else None)
        self._tally.tell()
        await work_off(self._read, self._ledger.work.take, limit=_AT_ONCE)
        self._is_last_try = True
        if self._ledger.work.last_try():
            await work_off(self._read, self._ledger.work.take, limit=_AT_ONCE)
        is_short = self._ledger.rows["conversations"] < plan.conversations and not self._ledger.doubts
        if is_short and not self._manner.overlap:
            await self._look_between(plan.span)

    async def _look_between(self, span: Span) -> None:
        """Note if windows that only touch have missed rows: the server was taken for one that keeps whole seconds.

        Fewer rows than there were at first may have been deleted; but then no more are counted now than have come. A
        count that does not rest says nothing.
        """
        count, came = await self._count(span), self._ledger.rows["conversations"]
        if count > came and count == await self._count(span):
            self._ledger.doubts.append(
                f"conversations: the server counts {count:,}, {came:,} came: some lie between two seconds, which the "
                "probe of this server did not see"
            )

    async def _count(self, span: Span) -> int:
        """How many conversations there are."""
        ids = self._query.model_ids or (None,)
        return sum([await conversations_of(self._client, model_id)(span).count() for model_id in ids])

    async def _read(self, item: Item) -> None:
        try:
            if isinstance(item, WindowItem):
                await self._read_window(item)
            elif isinstance(item, ConversationItem):
                await self._read_conversation(item)
        except FAILURES as exc:
            if stops_all(exc) or not await self._put_aside(item, exc):
                raise
        else:
            self._readable.add(type(item))
        self._tally.tell()
        await self._sink.settle()

    # ---- models

    async def _read_models(self, span: Span) -> list[RawRow]:
        rows: list[RawRow] = []
        seams, spans = Seams(), [Span(None, span.until)]
        while spans:
            seams.add(spans)
            found = await read_window(models_of(self._client), spans.pop(), self._manner)
            if isinstance(found, Reading):
                self._judge(found)
                rows += filter(seams.is_new, found.rows)
            else:
                spans += found
        wanted = set(self._query.model_ids)
        missing = sorted(wanted - {row.id for row in rows})
        if missing:
            raise ExportError(f"there is no model {missing[0]}: an export without --model shows which there are")
        return [row for row in rows if not wanted or row.id in wanted]

    # ---- conversations

    async def _read_window(self, item: WindowItem) -> None:
        steps = self._ledger.certificates[Certificate.STEP.value] > 0
        found = await read_window(
            conversations_of(self._client, item.model_id),
            item.span,
            attrs.evolve(self._manner, steps=steps),
            is_there=functools.partial(is_there, self._client),
        )
        if not isinstance(found, Reading):
            self._ledger.split(item, found)
            return
        self._judge(found)
        new = [row for row in found.rows if self._ledger.seams.is_new(row)]
        self._put("conversations", new)
        self._ledger.accept_window(item, [row.id for row in new], messages=self._query.messages)

    # ---- messages

    async def _read_conversation(self, item: ConversationItem) -> None:
        try:
            found = await self._messages_of(item)
        except ConfigurationError as exc:  # the server gave an id that nothing can be asked for by
            found = Reading(rows=(), doubt=f"{item}: {exc}")
        if found is not None:
            self._judge(found)
            self._put("messages", found.rows, item.id)
        self._ledger.accept_conversation(item, gone=found is None)

    async def _messages_of(self, item: ConversationItem) -> Reading | None:
        """The messages of a conversation; None: it is gone, or has had none to find each time it was asked."""
        pager = self._client.messages.list(item.id).raw()
        for _ in range(_ATTEMPTS):
            try:
                return await read_messages(pager, str(item))
            except NotFoundError:
                if not await is_there(self._client, item.id):
                    break
        return None

    # ---- what came of it

    def _judge(self, found: Reading) -> None:
        if found.certificate is None:
            self._ledger.doubts.append(found.doubt)
        else:
            self._ledger.certificates[found.certificate.value] += 1
        self._failures = 0

    def _put(self, kind: str, rows: list[RawRow] | tuple[RawRow, ...], conversation_id: int | None = None) -> None:
        """Give rows away. No await stands between this and what the ledger notes of them: they are marked together."""
        if rows:
            self._ledger.rows[kind] += len(rows)
            self._sink.put(Batch(kind=kind, rows=rows, conversation_id=conversation_id))

    async def _put_aside(self, item: Item, error: AsyncChatError) -> bool:
        """Put a failing item aside for a second try at the end, then note it as not certified.

        Returns:
            False where nothing is answered any more: then all is over.
        """
        if self._is_last_try:
            self._ledger.give_up(item, str(error))
            return True
        self._failures += 1
        if self._failures >= _FAILURES_IN_A_ROW and not (type(item) in self._readable and await self._is_alive()):
            return False
        self._ledger.work.put_aside(item)
        return True

    async def _is_alive(self) -> bool:
        """Whether the server answers anything at all: many items that fail in a row may just be those that fail."""
        try:
            await self._client.with_options(retry=1, deadline=60.0).models.list(per_page=1)
        except AsyncChatError:
            return False
        self._failures = 0
        return True
