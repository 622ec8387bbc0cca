"""Reads windows of listings and the messages of conversations, as the plans of `planning` say."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Collection, Generator
from typing import Final, TypeAlias, TypeVar

from asyncchat import AsyncClient, AsyncPager, NotFoundError, RawRow
from asyncchat.export.planning import one_page, plan_listing, plan_window
from asyncchat.export.questions import (
    Answer,
    Answers,
    CountQuestion,
    Manner,
    PageQuestion,
    Question,
    Questions,
    Reading,
    RowQuestion,
)
from asyncchat.export.side_by_side import side_by_side
from asyncchat.export.tail import plan_tail
from asyncchat.export.windows import Span

_SIDE_BY_SIDE: Final = 16

T = TypeVar("T")
Listing: TypeAlias = Callable[[Span], AsyncPager[RawRow]]
IsThere: TypeAlias = Callable[[int], Awaitable[bool]]
_Ask: TypeAlias = Callable[[Question], Awaitable[Answer]]


async def read_window(
    listing: Listing, span: Span, manner: Manner, *, is_there: IsThere | None = None
) -> Reading | tuple[Span, ...]:
    """Read a window of time, or say which smaller windows to read instead.

    Args:
        listing: Makes the listing of a window.
        span: The window. Its end must have passed.
        manner: How this server's windows are read.
        is_there: Tells whether there is a row of that id; needed where the manner confirms.

    Raises:
        ExportError: The server gave a row from outside the window: it ignores the filter, so no window can be trusted.
        AsyncChatError: A page could not be fetched.
    """

    async def ask(question: Question) -> Answer:
        if isinstance(question, RowQuestion):
            assert is_there is not None
            return await is_there(question.id)
        return await _ask(listing(question.span or span), question)

    return await _follow(plan_window(span, manner), ask)


async def read_tail(pager: AsyncPager[RawRow], stored: Collection[int], per_page: int) -> Reading | None:
    """Read what is new of a conversation's messages; None where that cannot be told without reading all of them.

    Args:
        pager: The listing of its messages.
        stored: The ids of those that are there.
        per_page: Rows that the pager asks for in a page.

    Raises:
        AsyncChatError: A page could not be fetched.
    """
    return await _follow(plan_tail(stored, per_page), functools.partial(_ask, pager))


async def read_messages(pager: AsyncPager[RawRow], name: str) -> Reading:
    """Read every message of a conversation.

    Args:
        pager: The listing of its messages.
        name: What the conversation is called in a doubt.

    Raises:
        AsyncChatError: A page could not be fetched.
    """
    first = await pager.page(1)
    found = one_page(first)
    if found is not None:  # as mostly: it needs no plan
        return found
    return await _follow(plan_listing(name, first), functools.partial(_ask, pager))


def models_of(client: AsyncClient) -> Listing:
    """The listing of all models."""
    return lambda span: client.models.list(since=span.since_time, until=span.until_time).raw()


def conversations_of(client: AsyncClient, model_id: int | None) -> Listing:
    """The listing of the conversations of a model, or of all (None)."""
    return lambda span: client.conversations.list(model_id=model_id, since=span.since_time, until=span.until_time).raw()


def changes_of(client: AsyncClient, model_id: int | None) -> Listing:
    """The listing of the conversations of a model, or of all (None), by the time of their last change."""
    return lambda span: client.conversations.list(
        model_id=model_id, since=span.since_time, until=span.until_time, sort="updated_at"
    ).raw()


async def is_there(client: AsyncClient, conversation_id: int) -> bool:
    """Whether there is a conversation of that id, now.

    Raises:
        AsyncChatError: The server could not be asked.
    """
    try:
        await client.conversations.get(conversation_id)
    except NotFoundError:
        return False
    return True


async def _follow(plan: Generator[Questions, Answers, T], ask: _Ask) -> T:
    """Put a plan's questions, those that it asks together side by side, until it has come to its end."""
    questions = next(plan)
    while True:
        answers = [await ask(questions[0])] if len(questions) == 1 else await _answers(questions, ask)
        try:
            questions = plan.send(answers)
        except StopIteration as end:
            result: T = end.value
            return result


async def _answers(questions: Questions, ask: _Ask) -> Answers:
    answers: dict[int, Answer] = {}

    async def put(numbered: tuple[int, Question]) -> None:
        number, question = numbered
        answers[number] = await ask(question)

    await side_by_side(put, enumerate(questions), limit=_SIDE_BY_SIDE)
    return [answers[number] for number in range(len(questions))]


async def _ask(pager: AsyncPager[RawRow], question: Question) -> Answer:
    if isinstance(question, CountQuestion):
        return await pager.count()
    assert isinstance(question, PageQuestion)
    try:
        return await pager.page(question.number)
    except NotFoundError:
        if question.number == 1:
            raise
        return None  # past the end, or there is an end now where there was none
