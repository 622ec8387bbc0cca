"""Where a command's settings come from: flags, then the environment, then a profile; each with its source."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import attrs

from asyncchat.errors import ConfigurationError

if TYPE_CHECKING:
    from asyncchat import Profile

T = TypeVar("T")

STDIN: Final = "-"
BY_DEFAULT: Final = "by default"


@attrs.frozen
class Found(Generic[T]):
    """A setting, and where it was said."""

    value: T = attrs.field(repr=False)
    source: str


def read_profile(name: str | None) -> Profile | None:
    """The profile of that name, else that of ASYNCCHAT_PROFILE, else `default` if there is one.

    Raises:
        ConfigurationError: There is no such profile, or something in it is wrong.
    """
    from asyncchat import Profile  # noqa: PLC0415 - not needed for --help

    name = name or os.environ.get("ASYNCCHAT_PROFILE")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # commands tell its `exposure` in their own way
        return Profile.load(name) if name else Profile.load_default()


def _first(
    flag: str | None, name: str, variable: str, in_profile: str | None, profile: Profile | None
) -> Found[str] | None:
    """A flag, else a variable, else what the profile says."""
    if flag is not None:
        return Found(flag, name)
    said = os.environ.get(variable)
    if said:
        return Found(said, variable)
    return None if in_profile is None else Found(in_profile, str(profile))


def find_base_url(flag: str | None, profile: Profile | None) -> Found[str]:
    """Where the API is.

    Raises:
        ConfigurationError: Nothing says it.
    """
    found = _first(flag, "--base-url", "ASYNCCHAT_BASE_URL", profile.base_url if profile else None, profile)
    if found is not None:
        return found
    raise ConfigurationError(
        "no base URL: give --base-url https://host/v1, or set ASYNCCHAT_BASE_URL, or try --sandbox"
    )


def find_auth(flag: str | None, profile: Profile | None) -> Found[str]:
    """Where the token goes."""
    found = _first(flag, "--auth", "ASYNCCHAT_AUTH", profile.auth if profile else None, profile)
    return found or Found("bearer", BY_DEFAULT)


def find_token(file: str | None, profile: Profile | None, base_url: str) -> Found[object]:
    """The token, hidden or as it was said.

    Args:
        file: What --token-file says.
        profile: Where else it may stand.
        base_url: Where it is to go: a profile's token goes to the profile's own server alone.

    Raises:
        ConfigurationError: Nothing says it, it cannot be read, or it is for another server.
    """
    if file is not None:
        return Found(_token_in(file), "--token-file")
    said = os.environ.get("ASYNCCHAT_API_TOKEN")
    if said:
        return Found(said, "ASYNCCHAT_API_TOKEN")
    token = profile.token_for(base_url) if profile is not None else None
    if profile is None or token is None:
        raise ConfigurationError("no token: set ASYNCCHAT_API_TOKEN, or give --token-file")
    return Found(token, str(profile.token_source))


def _token_in(file: str) -> str:
    try:
        if file == STDIN:
            return sys.stdin.readline()
        return Path(file).read_text(encoding="utf-8-sig")
    except OSError as exc:
        wrong = f": {exc.strerror}. Give a file that you may read"
    except ValueError:
        wrong = " holds no text: give a file with the token alone"
    # out of the handler: its exception, which holds the file's bytes, is not the context
    raise ConfigurationError(f"--token-file {file}{wrong}")
