"""A local double of the chat platform's API, served over real sockets from a seed.

It speaks wire dicts written from the API's contract and shares no code with the client's codec: a field name that
the client gets wrong cannot come back right from here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from asyncchat.sandbox.behaviour import Behaviour

if TYPE_CHECKING:
    from asyncchat.sandbox.hooks.notices import Campaign
    from asyncchat.sandbox.hooks.sender import WebhookReport
    from asyncchat.sandbox.mishaps.faults import Fault
    from asyncchat.sandbox.server import Sandbox

__all__ = ["Behaviour", "Campaign", "Fault", "Sandbox", "WebhookReport"]

_HOME_OF: Final = {
    "Campaign": "hooks.notices",
    "Fault": "mishaps.faults",
    "Sandbox": "server",
    "WebhookReport": "hooks.sender",
}


def __getattr__(name: str) -> Any:
    """Load what serves when it is first wanted: to describe a sandbox takes no aiohttp."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'asyncchat.sandbox' has no attribute {name!r}")
    return getattr(importlib.import_module(f"asyncchat.sandbox.{_HOME_OF[name]}"), name)
