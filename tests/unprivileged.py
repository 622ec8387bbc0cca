"""Acts as a user whom the system refuses things: root is refused nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def forbidden(folder: Path) -> Iterator[None]:
    """What is below a folder can be read by us, and not written."""
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    above = {path: path.stat().st_mode for path in folder.parents if path.stat().st_uid == os.geteuid()}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222 | 0o555 if path.is_dir() else 0o444)
    for path, mode in above.items():
        path.chmod(mode | 0o011)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for path, mode in {**modes, **above}.items():
            path.chmod(mode)
