"""requests: one page after the other on one session, and in threads with a session each."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests


def session() -> requests.Session:
    """A session that looks for no proxy."""
    made = requests.Session()
    made.trust_env = False
    made.headers["Authorization"] = "Bearer t0ken"
    return made


def _fetch(made: requests.Session, url: str, number: int, per_page: int) -> tuple[int, int]:
    """The rows of a page, and how many pages there are."""
    response = made.get(url, params={"page": number, "per_page": per_page}, timeout=60)
    response.raise_for_status()
    page: dict[str, Any] = response.json()
    count = 0
    for _row in page["data"]:
        count += 1
    return count, page["total_pages"]


def read(base_url: str, path: str, in_flight: int, per_page: int) -> int:  # noqa: ARG001 - as all readers
    """Rows as dicts, one page after the other."""
    with session() as made:
        count, last = _fetch(made, base_url + path, 1, per_page)
        return count + sum(_fetch(made, base_url + path, number, per_page)[0] for number in range(2, last + 1))


def read_in_threads(base_url: str, path: str, in_flight: int, per_page: int) -> int:
    """Rows as dicts, by as many threads as requests may be in flight."""
    own = threading.local()

    def fetch(number: int) -> tuple[int, int]:
        if not hasattr(own, "session"):
            own.session = session()
        return _fetch(own.session, base_url + path, number, per_page)

    with ThreadPoolExecutor(in_flight) as threads:
        count, last = threads.submit(fetch, 1).result()
        return count + sum(found for found, _ in threads.map(fetch, range(2, last + 1)))
