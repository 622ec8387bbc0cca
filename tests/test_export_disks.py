"""Folders that two want, disks that are full or may only be read, and how much memory is needed."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from export_folders import QUERY, opened
from export_many import batch, check, run
from killing import CAN_KILL, start

from asyncchat import ConfigurationError, ExportError
from asyncchat.export import FORMATS, Batch
from asyncchat.export.destinations import parquet

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not CAN_KILL, reason="needs Linux"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


# ---- two exports


def test_another_process(tmp_path: Path) -> None:
    """A folder that another process writes to is refused, with its id; a kill -9 lets go of it."""
    reader, writer = os.pipe()

    def hold() -> None:
        out, _ = opened(tmp_path / "export")
        os.write(writer, b"!")
        signal.pause()
        out.close()

    child = start(hold)
    assert os.read(reader, 1) == b"!"
    with pytest.raises(ExportError, match=rf"another export \(process {child}\) is writing to .*export: wait for it"):
        opened(tmp_path / "export")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    out, _ = opened(tmp_path / "export")
    out.close()
    os.close(reader)
    os.close(writer)


def test_where_nobody_tells_who(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not tell who holds a folder, the message does without."""
    out, _ = opened(tmp_path)
    read_text = Path.read_text

    def hidden(path: Path, **settings: str) -> str:
        if str(path) == "/proc/locks":
            raise PermissionError
        return read_text(path, **settings)

    monkeypatch.setattr(Path, "read_text", hidden)
    with pytest.raises(ExportError, match="another export is writing to"):
        opened(tmp_path)
    out.close()


# ---- disks


@attrs.frozen
class Disk:
    """A disk of its own."""

    path: Path

    def change(self, options: str) -> None:
        """Make it larger, or readable only."""
        subprocess.run(["mount", "-o", f"remount,{options}", self.path], check=True)  # noqa: S603, S607


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(  # noqa: S603
        ["mount", "-t", "tmpfs", "-o", "size=8m", "asyncchat-test", path],  # noqa: S607
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("disks may not be mounted here")
    yield Disk(path)
    subprocess.run(["umount", path], check=True)  # noqa: S603, S607


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk(tmp_path: Path, disk: Disk, form: str) -> None:
    """However far a full disk lets an export come, what was committed is kept: with more room the next run goes on."""
    query = attrs.evolve(QUERY, format=form)
    run(tmp_path / "truth", query)
    ends = set[str]()
    for size in range(12, 400, 24):
        root = disk.path / f"export-{size}"
        disk.change(f"size={used(disk.path) // 1024 + size}k")
        with contextlib.suppress(OSError):
            run(root, query)
        ends.add(end_of(root))
        disk.change("size=32m")
        run(root, query)
        check(root, tmp_path / "truth")
    assert ends == {"nothing", "unfinished", "finished"}


def used(disk: Path) -> int:
    """Bytes in use."""
    status = os.statvfs(disk)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def end_of(root: Path) -> str:
    """What an export has left."""
    if not root.exists():
        return "nothing"
    return "finished" if (root / "manifest.json").exists() else "unfinished"


def test_a_disk_that_becomes_readable_only(tmp_path: Path, disk: Disk) -> None:
    """A disk that is readable only ends an export with the system's error; nothing that was committed is lost."""
    run(tmp_path / "truth", QUERY)
    out, _ = opened(disk.path / "export")
    out.write(batch(0))
    out.write(batch(1))
    out.commit(["2"])
    out.close()
    disk.change("ro")
    with pytest.raises(ConfigurationError, match="is not writable: give a folder that you may write"):
        opened(disk.path / "export")
    disk.change("rw")
    run(disk.path / "export", QUERY)
    check(disk.path / "export", tmp_path / "truth")


@pytest.mark.parametrize("limit", [1000, 3000, 13_000])
def test_a_quota(tmp_path: Path, limit: int) -> None:
    """A file that may not grow any more, of the parts or of the journal, ends an export; the next one goes on."""
    root = tmp_path / "export"

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        with pytest.raises(OSError, match=r"File too large|Input/output error|database or disk is full"):
            run(root, QUERY)

    assert os.waitstatus_to_exitcode(os.waitpid(start(limited), 0)[1]) == 0
    run(root, QUERY)
    run(tmp_path / "truth", QUERY)
    check(root, tmp_path / "truth")


# ---- memory


def peak_of(work: Callable[[], object]) -> int:
    """The most bytes that were in use at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def write_many(root: Path, form: str, count: int) -> None:
    """Write the same rows many times, and commit now and then."""
    out, _ = opened(root, query=attrs.evolve(QUERY, format=form))
    rows = batch(0).rows
    for number in range(count):
        out.write(Batch(kind="models", rows=rows))
        if number % 40 == 39:
            out.commit([str(number)])
    out.close()


@pytest.mark.parametrize("form", FORMATS)
def test_memory(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the rows need no more memory."""
    monkeypatch.setattr(parquet, "_BLOCK_ROWS", 500)
    write_many(tmp_path / "warm", form, 2)
    small = peak_of(lambda: write_many(tmp_path / "small", form, 60))
    large = peak_of(lambda: write_many(tmp_path / "large", form, 600))
    assert large < small * 1.2
