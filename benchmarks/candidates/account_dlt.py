"""A whole account by dlt's `rest_api_source`, into JSON Lines on disk.

Conversations are a resource, and messages one that depends on it; both are `parallelized`, with as many workers as
requests may be in flight. Nested lists stay in their rows, and files are not compressed: both spare dlt work.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.update(
    {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "DATA_WRITER__DISABLE_COMPRESSION": "true",
        "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
    }
)

import dlt
from dlt.sources.rest_api import rest_api_source


def export(base_url: str, folder: str, in_flight: int) -> dict[str, int]:
    """Export an account; returns the rows by kind."""
    os.environ["EXTRACT__WORKERS"] = os.environ["EXTRACT__MAX_PARALLEL_ITEMS"] = str(in_flight)
    pipeline = dlt.pipeline(
        pipeline_name="bench",
        pipelines_dir=str(Path(folder) / "state"),
        destination=dlt.destinations.filesystem(bucket_url=Path(folder, "out").resolve().as_uri()),
        dataset_name="chats",
    )
    source = rest_api_source(_config(base_url), max_table_nesting=0)
    pipeline.run(source, loader_file_format="jsonl")
    trace: Any = pipeline.last_trace
    counts: dict[str, int] = trace.last_normalize_info.row_counts
    return {kind: counts.get(kind, 0) for kind in ("models", "conversations", "messages")}


def _config(base_url: str) -> Any:
    listing = {
        "params": {"per_page": 100},
        "data_selector": "data",
        "paginator": {"type": "page_number", "base_page": 1, "page_param": "page", "total_path": "total_pages"},
    }
    return {
        "client": {"base_url": base_url, "auth": {"type": "bearer", "token": "t0ken"}},
        "resource_defaults": {"primary_key": "id", "write_disposition": "append", "parallelized": True},
        "resources": [
            {"name": "models", "endpoint": {"path": "models", **listing}},
            {"name": "conversations", "endpoint": {"path": "conversations", **listing}},
            {
                "name": "messages",
                "endpoint": {"path": "conversations/{resources.conversations.id}/messages", **listing},
                "include_from_parent": ["id"],
            },
        ],
    }
