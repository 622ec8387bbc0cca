"""A file of profiles where it is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def write_profiles(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str, mode: int = 0o600) -> Path:
    """Make this text the file of profiles that library and command line find."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    file = folder / "asyncchat" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file
