"""The file that events are appended to: whole lines only, whatever ends a process or fills a disk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncchat.cli.webhook.lines import Lines

BEGIN = b'{"event": "'
LINE = BEGIN + b'one"}\n'
posix = pytest.mark.skipif(os.name != "posix", reason="nobody tells there who else has a file open")


@contextlib.contextmanager
def appending(path: Path) -> Iterator[Lines]:
    with contextlib.closing(Lines(str(path), begin=BEGIN)) as lines:
        yield lines


@posix
@pytest.mark.parametrize("cut", range(1, len(LINE) - 1))
def test_a_line_that_was_cut_off(tmp_path: Path, cut: int) -> None:
    """It is removed, wherever it was cut, before another one is appended."""
    (path := tmp_path / "out").write_bytes(LINE + LINE[:cut])
    with appending(path) as lines:
        lines.write(LINE)
    assert path.read_bytes() == LINE * 2


@pytest.mark.parametrize("text", [b"not ours", BEGIN + b'whole"}', b'{"event": 5', b"[1]"])
def test_what_is_not_ours(tmp_path: Path, text: bytes) -> None:
    """A last line that has no end, and was not cut off by us, stays; ours begins on a line of its own."""
    (path := tmp_path / "out").write_bytes(text)
    with appending(path) as lines:
        lines.write(LINE)
        lines.write(LINE)
    assert path.read_bytes() == text + b"\n" + LINE * 2


@posix
def test_another_process(tmp_path: Path) -> None:
    """While another one has the file open, nothing is removed: it may be just about to write the rest."""
    (path := tmp_path / "out").touch()
    with appending(path):
        with path.open("ab") as file:
            file.write(LINE[:9])
        with appending(path) as lines:
            lines.write(LINE)
    assert path.read_bytes() == LINE[:9] + b"\n" + LINE


@posix
@given(st.lists(st.integers(0, len(LINE)), max_size=6), st.booleans())
def test_a_disk_that_is_full(tmp_path_factory: pytest.TempPathFactory, takes: list[int], shared: bool) -> None:
    """A line of which a part was taken is removed again, so that each that stands there is whole."""
    path, told = tmp_path_factory.mktemp("lines") / "out", 0
    with pytest.MonkeyPatch.context() as patch, appending(path) as lines:
        other = Lines(str(path), begin=BEGIN) if shared else None
        for take in takes:
            told += written_of(lines, patch, take)
        lines.write(LINE)
        if other is not None:
            other.close()
    rows = path.read_bytes().splitlines(keepends=True)
    assert rows.count(LINE) >= told + 1
    assert shared or rows == [LINE] * (told + 1)


def written_of(lines: Lines, patch: pytest.MonkeyPatch, take: int) -> bool:
    """Whether a line could be written on a disk that has room for so many bytes."""
    write, room = os.write, [take]

    def until_full(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        done = write(descriptor, data[: room[0]])
        room[0] -= done
        return done

    with patch.context() as full:
        full.setattr(os, "write", until_full)
        try:
            lines.write(LINE)
        except OSError:
            return False
    return True


def test_threads(tmp_path: Path) -> None:
    """Lines of many threads do not mix."""
    rows = [BEGIN + str(number).encode() * 500 + b'"}\n' for number in range(200)]
    with appending(tmp_path / "out") as lines, ThreadPoolExecutor(8) as pool:
        list(pool.map(lines.write, rows))
    assert sorted((tmp_path / "out").read_bytes().splitlines(keepends=True)) == sorted(rows)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe(tmp_path: Path) -> None:
    """It may be a named pipe, which keeps nothing and can be synced to nowhere."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with appending(tmp_path / "pipe") as lines:
        lines.write(LINE)
        assert os.read(reader, 100) == LINE
    os.close(reader)
