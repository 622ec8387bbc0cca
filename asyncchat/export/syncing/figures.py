"""What a round has brought so far, told to its observer."""

from __future__ import annotations

from collections import Counter

from asyncchat import CountingHook
from asyncchat.export.progress import RequestCount
from asyncchat.export.questions import Reading
from asyncchat.export.syncing.report import ConversationChange, SyncObserver, SyncProgress


class Figures(RequestCount):
    """Counts.

    Args:
        observer: Is told of every change; None: nobody.

    Attributes:
        rows: Rows that the database has more than before, by kind.
        new: Conversations that were not there before.
        changed: Conversations that were there, and have changed.
        messages: Messages that were not there before.
        ways: Conversations that were looked into, by the way in which their messages were come by.
        audited: Conversations that were counted.
        audit: Counts the requests of that.
        lied: Those whose recent messages had had a gap.
        deleted: Conversations that the server has no more.
        walks: Windows of several pages that were read one page after the other.
        certificates: Windows and conversations accepted, by the reason.
        doubts: What could not be read or proved complete.
        total: Conversations to look into, as counted.
        done: Conversations that were looked into.
        changes: What has changed and is not committed yet.
    """

    def __init__(self, observer: SyncObserver | None) -> None:
        super().__init__()
        self.rows: Counter[str] = Counter()
        self.new = self.changed = self.messages = self.audited = self.walks = self.total = self.done = 0
        self.ways: Counter[str] = Counter()
        self.lied: list[int] = []
        self.deleted: list[int] = []
        self.certificates: Counter[str] = Counter()
        self.doubts: list[str] = []
        self.audit = CountingHook()
        self.changes: list[ConversationChange] = []
        self._observer = observer

    def judge(self, reading: Reading) -> None:
        """Note why what was read is known to be complete, or why not."""
        if reading.certificate is None:
            self.doubts.append(reading.doubt)
        self.accept(reading)

    def accept(self, reading: Reading) -> None:
        """Note why what was read is known to be complete, if it is."""
        if reading.certificate is not None:
            self.certificates[reading.certificate.value] += 1

    def note(self, change: ConversationChange) -> None:
        """Note a conversation that has changed."""
        self.changes.append(change)
        self.messages += len(change.messages)
        self.rows["messages"] += len(change.messages)
        self.rows["conversations"] += change.is_new
        if change.is_deleted:
            self.deleted.append(change.id)
        elif change.is_new:
            self.new += 1
        else:
            self.changed += 1

    def take_changes(self) -> list[ConversationChange]:
        """What has changed since the last time, each conversation once."""
        changes, self.changes = self.changes, []
        return changes

    def tell(self) -> None:
        """Tell the observer."""
        if self._observer is not None:
            self._observer(
                SyncProgress(
                    conversations=self.done,
                    conversations_total=self.total,
                    messages=self.messages,
                    requests=self.requests,
                    paused=self.paused,
                )
            )
