"""A whole account by requests: one request after the other on one session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import requests

from benchmarks.candidates.with_requests import session

PER_PAGE: Final = 100


def _rows(made: requests.Session, url: str) -> Iterator[dict[str, Any]]:
    number, last = 0, 1
    while number < last:
        number += 1
        response = made.get(url, params={"page": number, "per_page": PER_PAGE}, timeout=60)
        response.raise_for_status()
        page = response.json()
        last = page["total_pages"]
        yield from page["data"]


def export(base_url: str, folder: str, in_flight: int) -> dict[str, int]:  # noqa: ARG001 - as all of them
    """Export an account; returns the rows by kind."""
    counts = {"models": 0, "conversations": 0, "messages": 0}
    files = {kind: (Path(folder) / f"{kind}.jsonl").open("w", encoding="utf-8") for kind in counts}

    def write(kind: str, row: dict[str, Any]) -> None:
        files[kind].write(json.dumps(row, ensure_ascii=False) + "\n")
        counts[kind] += 1

    with session() as made:
        for row in _rows(made, f"{base_url}/models"):
            write("models", row)
        for row in _rows(made, f"{base_url}/conversations"):
            write("conversations", row)
            for message in _rows(made, f"{base_url}/conversations/{row['id']}/messages"):
                write("messages", {"conversation_id": row["id"], **message})
    for file in files.values():
        file.close()
    return counts
