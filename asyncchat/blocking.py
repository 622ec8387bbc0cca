"""The asynchronous functions over a client, and the receiver of webhooks, for blocking code: under the same names.

    from asyncchat import Client
    from asyncchat.blocking import export

    with Client() as chat:
        report = export(chat, "chat-export")

Functions run in the client's own thread, where an observer or hook that is given to them is called too. An interrupt
(Ctrl-C) cancels them, as it does every blocking call.
"""

from __future__ import annotations

from asyncchat import export as _export
from asyncchat._sync.functions import Batches, blocking, blocking_batches
from asyncchat._sync.receiver import Receiver

__all__ = ["Batches", "Receiver", "export", "export_batches", "probe_server", "refresh", "sync", "verify"]

export = blocking(_export.export)
export_batches = blocking_batches(_export.export_batches)
probe_server = blocking(_export.probe_server)
refresh = blocking(_export.refresh)
sync = blocking(_export.sync)
verify = blocking(_export.verify)
