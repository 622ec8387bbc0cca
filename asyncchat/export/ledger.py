"""What an export knows of itself, and the marks from which the next run goes on.

A mark is a line of JSON that says what has changed since the mark before it. It is committed together with the rows
that it speaks of, so the marks of a destination always tell exactly what its rows are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, Self

import attrs

from asyncchat.errors import ExportError
from asyncchat.export.probing.traits import Probe
from asyncchat.export.questions import Manner
from asyncchat.export.seams import Seams
from asyncchat.export.windows import Span
from asyncchat.export.work import ConversationItem, Item, WindowItem, Work, item_from_json

_VERSION: Final = 1


@attrs.frozen(kw_only=True)
class Plan:
    """What a first run fixes for all that go on from it.

    Attributes:
        as_of: The second up to which the export will be complete.
        span: Which conversations are read, by created_at.
        oldest: The second in which the first model was made: no conversation is older, as far as known.
        conversations: How many there are, as the server counted them.
        probe: What was found out about the server.
    """

    as_of: int
    span: Span
    oldest: int
    conversations: int
    probe: Probe

    @property
    def manner(self) -> Manner:
        """How the server's windows of conversations are read."""
        return Manner.of(self.probe, oldest=self.oldest)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        span = [self.span.since, self.span.until]
        return {
            "as_of": self.as_of,
            "span": span,
            "oldest": self.oldest,
            "conversations": self.conversations,
            "probe": self.probe.to_dict(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read back a plan.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        return cls(
            as_of=value["as_of"],
            span=Span(*value["span"]),
            oldest=value["oldest"],
            conversations=value["conversations"],
            probe=Probe.from_dict(value["probe"]),
        )


class Ledger:
    """The state of an export.

    Attributes:
        plan: What the first run has fixed; None until it has.
        work: What has still to be read.
        seams: Where windows meet, and which rows are there.
        rows: Rows accepted, by kind.
        certificates: Windows and conversations accepted, by the reason why they are known to be complete.
        doubts: What could not be proved complete, each with its reason.
        deleted: Ids of conversations that were gone before their messages were read.
        conversations_done: Conversations that are there with all that is wanted of them.
        requests: Requests sent, by all runs.
        retries: Of these, how many were further attempts.
        seconds: How long earlier runs took.
    """

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.work = Work()
        self.seams = Seams()
        self.rows: Counter[str] = Counter()
        self.certificates: Counter[str] = Counter()
        self.doubts: list[str] = []
        self.deleted: list[int] = []
        self.conversations_done = 0
        self.windows_done = 0
        self.requests = 0
        self.retries = 0
        self.seconds = 0.0
        self._doubts_told = 0
        self._deleted_told = 0
        self._plan_told = False

    # ---- what happens

    def begin(self, plan: Plan, model_ids: Sequence[int]) -> None:
        """Fix the plan: the conversations of some models, or all where none is given."""
        self.plan = plan
        self.add_windows(WindowItem(model_id, plan.span) for model_id in (model_ids or (None,)))

    def add_windows(self, items: Iterable[WindowItem]) -> None:
        """Note windows that have to be read."""
        windows = list(items)
        self.seams.add(window.span for window in windows)
        self.work.add(windows)

    def split(self, window: WindowItem, spans: Iterable[Span]) -> None:
        """Read smaller windows in the place of one."""
        self.add_windows(WindowItem(window.model_id, span) for span in spans)
        self.work.done(window)

    def accept_window(self, window: WindowItem, conversation_ids: Sequence[int], *, messages: bool) -> None:
        """Note that a window is there, and whose messages have to be read."""
        if messages:
            self.work.add(map(ConversationItem, conversation_ids))
        else:
            self.conversations_done += len(conversation_ids)
        self.windows_done += 1
        self.work.done(window)

    def accept_conversation(self, item: ConversationItem, *, gone: bool) -> None:
        """Note that the messages of a conversation are there, or that it is gone."""
        if gone:
            self.deleted.append(item.id)
        self.conversations_done += 1
        self.work.done(item)

    def give_up(self, item: Item, reason: str) -> None:
        """Note what cannot be read."""
        self.doubts.append(f"{item}: {reason}")
        self.work.done(item)

    # ---- marks

    def take_mark(self, seconds: float) -> str:
        """What has changed since the last mark, as a line of text.

        Args:
            seconds: How long all runs have taken.
        """
        added, removed = self.work.take_changes()
        shared, seen = self.seams.take_changes()
        mark = {
            "v": _VERSION,
            "add": [item.to_json() for item in added],
            "del": [item.to_json() for item in removed],
            "shared": shared,
            "seen": seen,
            "doubts": self.doubts[self._doubts_told :],
            "deleted": self.deleted[self._deleted_told :],
            "rows": dict(self.rows),
            "certificates": dict(self.certificates),
            "counts": [self.conversations_done, self.windows_done, self.requests, self.retries, round(seconds, 3)],
        }
        if not self._plan_told and self.plan is not None:
            mark["plan"] = self.plan.to_json()
        self._told()
        return json.dumps(mark, separators=(",", ":"))

    @classmethod
    def replay(cls, marks: Iterable[str]) -> Self:
        """The state that some marks tell, from the first one on.

        Raises:
            ExportError: They are none of this version's.
        """
        ledger = cls()
        try:
            for mark in marks:
                ledger._apply(json.loads(mark))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ExportError(
                "what an earlier run has noted in the destination cannot be read by this version: "
                "export anew with fresh=True"
            ) from None
        return ledger

    def _apply(self, mark: dict[str, Any]) -> None:
        if mark["v"] != _VERSION:
            raise ValueError("another version")
        if "plan" in mark:
            self.plan = Plan.from_json(mark["plan"])
        self.work.apply(map(item_from_json, mark["add"]), map(item_from_json, mark["del"]))
        self.seams.apply(mark["shared"], mark["seen"])
        self.doubts += mark["doubts"]
        self.deleted += mark["deleted"]
        self.rows, self.certificates = Counter(mark["rows"]), Counter(mark["certificates"])
        self.conversations_done, self.windows_done, self.requests, self.retries, self.seconds = mark["counts"]
        self._told()

    def _told(self) -> None:
        self._doubts_told, self._deleted_told = len(self.doubts), len(self.deleted)
        self._plan_told = self.plan is not None
