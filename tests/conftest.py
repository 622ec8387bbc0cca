"""What every test starts from: no settings of the machine's own, and no clock that a property test races."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("asyncchat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("asyncchat")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ASYNCCHAT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(Path(__file__).parent / "no such folder"))
