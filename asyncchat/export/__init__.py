"""Exports that prove they are complete.

An export reads closed windows of time, and accepts what it read of one only with a certificate: a reason why nothing
can be missing. What cannot be certified is named in the report. A run that was stopped or killed is gone on with by
the same call.
"""

from __future__ import annotations

from asyncchat.export.batches import ExportBatches, export_batches
from asyncchat.export.destinations.base import Batch, Destination, Opened
from asyncchat.export.destinations.contents import Contents, Kept
from asyncchat.export.destinations.formats import FORMATS
from asyncchat.export.exporting import RESUMABLE, export
from asyncchat.export.probe import probe_server
from asyncchat.export.probing.traits import Bound, Finding, Order, PastEnd, Probe
from asyncchat.export.report import ExportReport, Observer, Part, Progress, Query
from asyncchat.export.start import LAG
from asyncchat.export.stopping import PATIENCE
from asyncchat.export.syncing.refreshing import refresh
from asyncchat.export.syncing.report import (
    ConversationChange,
    OnChange,
    RefreshReport,
    SyncObserver,
    SyncProgress,
    SyncReport,
)
from asyncchat.export.syncing.syncing import AUDIT, LOOKBACK, SYNC_LAG, sync
from asyncchat.export.verifying.report import Difference, VerifyObserver, VerifyProgress, VerifyReport
from asyncchat.export.verifying.verifying import verify
from asyncchat.export.windows import Certificate

__all__ = [
    "AUDIT",
    "FORMATS",
    "LAG",
    "LOOKBACK",
    "PATIENCE",
    "RESUMABLE",
    "SYNC_LAG",
    "Batch",
    "Bound",
    "Certificate",
    "Contents",
    "ConversationChange",
    "Destination",
    "Difference",
    "ExportBatches",
    "ExportReport",
    "Finding",
    "Kept",
    "Observer",
    "OnChange",
    "Opened",
    "Order",
    "Part",
    "PastEnd",
    "Probe",
    "Progress",
    "Query",
    "RefreshReport",
    "SyncObserver",
    "SyncProgress",
    "SyncReport",
    "VerifyObserver",
    "VerifyProgress",
    "VerifyReport",
    "export",
    "export_batches",
    "probe_server",
    "refresh",
    "sync",
    "verify",
]
