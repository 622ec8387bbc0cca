"""Generation: a plan and its seed become rows, the same ones on every machine and Python version.

Chance comes from `Random.random` and `Random.getrandbits` alone, whose sequences Python keeps for a given seed.
"""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import field, frozen, validators

from asyncchat.sandbox.data.calendar import FIRST, NOW, starts
from asyncchat.sandbox.data.texts import MODEL_NAMES, PHRASEBOOKS, Phrasebook
from asyncchat.sandbox.data.ulid import ulid

if TYPE_CHECKING:
    from collections.abc import Iterator

ModelTuple: TypeAlias = tuple[int, str, int]
ConversationTuple: TypeAlias = tuple[int, int, int, int, str, str]
MessageTuple: TypeAlias = tuple[int, int, str, str, str, int]
Told: TypeAlias = tuple[ConversationTuple, list[MessageTuple]]

PLATFORMS: Final = (
    "web",
    "web",
    "web",
    "whatsapp",
    "whatsapp",
    "whatsapp",
    "telegram",
    "instagram",
    "messenger",
    "line",
)
_SENDERS: Final = ("user", "user", "user", "user", "agent", "agent", "agent", "bot")
_GAPS: Final = tuple(int(1.045**step) - 1 for step in range(256))  # seconds: several in one second up to a day
_EMPTY: Final = 0.04  # conversations in which nobody said anything
_SPREAD: Final = 1.5  # sigma of the log-normal number of messages
_CHUNK: Final = 2_000  # conversations
_YEAR: Final = 365 * 86_400


@frozen(kw_only=True)
class Plan:
    """What a sandbox is generated from.

    Attributes:
        seed: Any whole number; another seed gives other rows.
        models: How many models.
        conversations: How many conversations.
        messages_mean: Messages in a conversation on average.
    """

    seed: int = 1
    models: int = field(default=5, validator=validators.ge(0))
    conversations: int = field(default=1_000, validator=validators.ge(0))
    messages_mean: float = field(default=10.0, validator=[validators.ge(0), validators.le(100_000)])

    def __attrs_post_init__(self) -> None:
        if self.conversations and not self.models:
            raise ValueError("conversations belong to a model: ask for at least one model")

    def chance(self, purpose: str) -> Random:
        """A source of chance of its own, so that more of one thing does not change another."""
        return Random(f"{self.seed}/{purpose}")  # noqa: S311 - it shall be predictable


def model_rows(plan: Plan) -> list[ModelTuple]:
    """Every model (id, name, created_at): created in the years before the first conversation."""
    rng = plan.chance("models")
    rows: list[ModelTuple] = []
    model_id = 100
    created_at = FIRST - 3 * _YEAR
    for index in range(plan.models):
        model_id += 1 + int(rng.random() * 40)
        created_at += int(rng.random() * 3 * _YEAR / plan.models)
        rows.append((model_id, _model_name(index), created_at))
    return rows


def _model_name(index: int) -> str:
    turn, place = divmod(index, len(MODEL_NAMES))
    return MODEL_NAMES[place] if turn == 0 else f"{MODEL_NAMES[place]} {turn + 1}"


def conversation_chunks(plan: Plan, models: list[ModelTuple]) -> Iterator[list[Told]]:
    """Every conversation with its messages, some thousands at a time.

    Conversations are (id, model_id, created_at, updated_at, platform, platform_user_id); they ascend by id, and none
    begins earlier than the one before. Messages are (id, conversation_id, seq, sender, message, created_at), the oldest
    first.
    """
    rng = plan.chance("conversations")
    talk = Talk(plan.chance("messages"))
    moments = starts(plan.chance("calendar"), plan.conversations)
    conversation_id = 40_000_000 + int(rng.random() * 1_000_000)
    for first in range(0, len(moments), _CHUNK):
        chunk: list[Told] = []
        for created_at in moments[first : first + _CHUNK]:
            conversation_id += 1 + int(rng.random() ** 4 * 50)
            book = PHRASEBOOKS[int(rng.random() ** 2 * len(PHRASEBOOKS))]
            said = talk.lines(conversation_id, created_at, _count(rng, plan.messages_mean), book)
            updated_at = said[-1][-1] if said else created_at
            model_id = models[int(rng.random() ** 2 * len(models))][0]
            guest = _guest(rng, plan.conversations)
            chunk.append(((conversation_id, model_id, created_at, updated_at, *guest), said))
        yield chunk


def _guest(rng: Random, conversations: int) -> tuple[str, str]:
    platform = PLATFORMS[int(rng.random() * len(PLATFORMS))]
    number = int(rng.random() ** 2 * conversations) + 1  # some come back often
    return platform, f"u{number}" if platform == "web" else f"{platform}:{number * 7919:010}"


def _count(rng: Random, mean: float) -> int:
    """Draw the number of messages: log-normal, so that most are short and a few are very long."""
    share = min(1 - _EMPTY, mean)
    if rng.random() >= share:
        return 0
    normal = math.sqrt(-2 * math.log(1 - rng.random())) * math.cos(2 * math.pi * rng.random())
    replies = (mean / share - 1) * math.exp(_SPREAD * normal - _SPREAD**2 / 2)
    return 1 + int(replies + rng.random())  # rounded by chance, which keeps the mean


def message_id(at: int, serial: int) -> int:
    """An id with its second above a serial number, as large services make them.

    They pass 2**53, which a reader that takes them for floating-point numbers does not survive.
    """
    return (at - FIRST) << 32 | serial


class Talk:
    """The source of messages: it numbers them across all conversations.

    Args:
        rng: Where chance comes from.
        serial: The number before the first one.
    """

    def __init__(self, rng: Random, serial: int = 0) -> None:
        self._bits = rng.getrandbits
        self._serial = serial

    def lines(
        self, conversation_id: int, created_at: int, count: int, book: Phrasebook, sender: str = "user"
    ) -> list[MessageTuple]:
        """Make messages of one conversation, oldest first.

        Args:
            conversation_id: The conversation.
            created_at: When the first one is written.
            count: How many.
            book: What they say.
            sender: Who begins.
        """
        bits, base = self._bits, FIRST
        serial = self._serial
        self._serial += count
        at, end = created_at, max(created_at, NOW)
        rows: list[MessageTuple] = []
        for number in range(serial + 1, serial + count + 1):
            dice = bits(32)
            phrases = book[sender]
            text = phrases[(dice >> 8 & 0xFFF) % len(phrases)]
            if dice >> 30 == 0:
                text = f"{text} {phrases[(dice >> 4 & 0xFF) % len(phrases)]} #{dice >> 12 & 0xFFFF}"
            seq = ulid(at * 1000 + ((dice >> 16 & 0x3FF) * 999 >> 10), bits(80))
            rows.append(((at - base) << 32 | number, conversation_id, seq, sender, text, at))  # as message_id has it
            at += _GAPS[dice & 0xFF]
            at = min(at, end)
            sender = _SENDERS[dice >> 20 & 7]
        return rows
