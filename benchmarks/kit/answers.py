"""Single answers for the page server: an empty object, and a page of 100 rows, plain and as gzip."""

from __future__ import annotations

import gzip

import msgspec

from benchmarks.kit.made import Made, Make

_ROWS = [
    {
        "id": number,
        "model_id": 7,
        "model_name": "model",
        "created_at": "2025-05-05T05:05:05+0700",
        "updated_at": "2025-05-05T05:05:05+0700",
        "platform": "web",
        "platform_user_id": "u-1",
    }
    for number in range(100)
]


def answers() -> Make:
    """What answers to `/v1/empty`, `/v1/page` and `/v1/page-gzip`."""
    page = msgspec.json.encode({"data": _ROWS, "page": 1, "rows_per_page": 100, "total_pages": 1, "total_rows": 100})
    made = {
        "empty": Made(200, b"{}"),
        "page": Made(200, page),
        "page-gzip": Made(200, gzip.compress(page, 6), "Content-Encoding: gzip\r\n"),
    }
    return lambda target: made[target.rpartition("/")[2]]
