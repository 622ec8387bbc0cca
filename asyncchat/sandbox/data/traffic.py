"""Traffic: which changes happen while rows are served, drawn from the seed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from asyncchat.sandbox.data.changes import Change, Deletion, NewConversation, NewMessage
from asyncchat.sandbox.data.generate import PLATFORMS, Plan, Talk
from asyncchat.sandbox.data.texts import PHRASEBOOKS

if TYPE_CHECKING:
    from asyncchat.sandbox.data.store import Store

_BEGINNINGS: Final = 0.15
_DELETIONS: Final = 0.05
_LATELY: Final = 0.5  # messages that go to one of the conversations that were active last
_LATE: Final = 0.5
_ACTIVE: Final = 50
_SENDERS: Final = ("user", "user", "agent", "bot")
_FIRST_ID: Final = 50_000_000  # of a conversation where there was none


class Traffic:
    """Draws one change after the other; the same ones for the same seed and the same steps.

    Args:
        plan: Where chance comes from.
        store: What the changes are about.
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        self._rng = plan.chance("traffic")
        self._talk = Talk(plan.chance("traffic talk"), store.count("messages"))
        self._store = store
        self._models = store.model_ids()
        ids = store.conversation_ids()
        self._last = _FIRST_ID if ids is None else ids[1]

    def pause(self, rate: float) -> float:
        """Draw the seconds until the next change."""
        return -math.log(1 - self._rng.random()) / rate

    def late(self) -> bool:
        """Draw whether a change is one of the late ones."""
        return self._rng.random() < _LATE

    def draw(self, at: int) -> Change | None:
        """Draw a change that is made in that second; None: there is no model that could have a conversation."""
        dice = self._rng.random()
        target = self._target()
        if target is not None and dice >= _BEGINNINGS + _DELETIONS:
            sender = _SENDERS[int(self._rng.random() * len(_SENDERS))]
            book = PHRASEBOOKS[target % len(PHRASEBOOKS)]
            return NewMessage(self._talk.lines(target, at, 1, book, sender)[0])
        if target is not None and dice < _DELETIONS:
            return Deletion(target)
        return self._beginning(at) if self._models else None

    def _beginning(self, at: int) -> NewConversation:
        chance = self._rng.random
        self._last += 1 + int(chance() * 20)
        model_id = self._models[int(chance() * len(self._models))]
        platform = PLATFORMS[int(chance() * len(PLATFORMS))]
        guest = f"{platform}:{int(chance() * 1e10):010}"
        first = self._talk.lines(self._last, at, 1, PHRASEBOOKS[self._last % len(PHRASEBOOKS)])[0]
        return NewConversation((self._last, model_id, at, at, platform, guest), first)

    def _target(self) -> int | None:
        lately, where = self._rng.random() < _LATELY, self._rng.random()
        if lately:
            return self._store.conversation_lately(int(where * _ACTIVE)) or self._store.conversation_lately(0)
        ids = self._store.conversation_ids()
        return None if ids is None else self._store.conversation_at(ids[0] + int(where * (ids[1] - ids[0])))
