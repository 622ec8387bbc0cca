"""Certificates for this machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def make_certificate(folder: Path, *, days: int = 2, name: str = "IP:127.0.0.1") -> Path:
    """A certificate for 127.0.0.1 that nobody signed but itself, with its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    file = folder / f"own-{days}.pem"
    arguments = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), "-subj", "/CN=127.0.0.1"]
    names = ["-addext", f"subjectAltName={name}", "-keyout", str(file), "-out", str(file.with_suffix(".crt"))]
    subprocess.run([openssl, *arguments, *names], check=True, capture_output=True)  # noqa: S603 - our own arguments
    file.write_text(file.read_text() + file.with_suffix(".crt").read_text())
    return file
