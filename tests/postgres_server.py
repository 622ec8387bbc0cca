"""A PostgreSQL server of the test session's own: on a free port of 127.0.0.1, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

PASSWORD = "pa55-of-the-suite"
USER = "exporter"


class NotInstalledError(Exception):
    """There is no PostgreSQL server on this machine."""


def binaries() -> Path:
    """The folder of the newest server's programs.

    Raises:
        NotInstalledError: None is installed.
    """
    candidates = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    if not candidates:
        raise NotInstalledError("no PostgreSQL server: install Debian's postgresql, or have initdb on the PATH")
    return max(candidates, key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))])


def _unprivileged() -> pwd.struct_passwd | None:
    """Who runs the server, None for ourselves: it refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    names = {user.pw_name: user for user in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@attrs.define
class PostgreSQLServer:
    """A running server."""

    bin: Path
    folder: Path
    port: int
    user: pwd.struct_passwd | None

    def url(self, database: str = "postgres", *, password: str = PASSWORD) -> str:
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def _run(self, *command: str) -> None:
        user = self.user
        done = subprocess.run(  # noqa: S603 - the server's own programs
            [str(self.bin / command[0]), *command[1:]],
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {done.stdout}")

    def _control(self, *command: str) -> None:
        # its output goes to a file: the server would hold a pipe open
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-w", *command)

    def initialize(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if self.user is not None:
            for path in (self.folder, secret):
                os.chown(path, self.user.pw_uid, self.user.pw_gid)
        self._run(
            "initdb", "-D", str(self.folder / "data"), "-U", USER, "-A", "scram-sha-256", "--pwfile", str(secret),
            "--locale=C", "-E", "UTF8", "--no-sync",
        )  # fmt: skip

    def start(self) -> None:
        # without fsync: its processes are killed here, its machine is not
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        options += f" -c unix_socket_directories='{self.folder}'"
        self._control("-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._control("-m", mode, "stop")

    def restart(self) -> None:
        """End every session at once, as a crash does, and come back."""
        self.stop()
        self.start()


@contextmanager
def running_server() -> Iterator[PostgreSQLServer]:
    """A server that is gone afterwards.

    Raises:
        NotInstalledError: None is installed.
    """
    folder = Path(tempfile.mkdtemp(prefix="asyncchat-postgres-", dir="/tmp"))
    try:
        server = PostgreSQLServer(binaries(), folder, free_port(), _unprivileged())
        server.initialize()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
