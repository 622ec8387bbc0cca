"""The contract: the API's own description, carried as a file and served at the root."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from asyncchat.sandbox.serving.answers import Answer, wrong_method

if TYPE_CHECKING:
    from asyncchat.sandbox.serving.answers import Call

CONTRACT_PATH: Final = "/openapi.json"


@cache
def document() -> bytes:
    """The OpenAPI document as it stands in the file."""
    return files("asyncchat.sandbox.serving").joinpath("openapi.json").read_bytes()


def contract(call: Call) -> Answer:
    """Answer a call for the contract; no token is needed."""
    return Answer(200, document()) if call.method == "GET" else wrong_method(call.method, "GET")
