"""The text of a file of profiles: where it is looked for, what it may say, what is wrong with it."""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from asyncchat._policy.secret import Token
from asyncchat.errors import ConfigurationError

DEFAULT: Final = "default"
_MAX_COUNT: Final = 2**31 - 1


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MAX_COUNT


def _retries(value: Any) -> bool:
    return _count(value) or (value == 0 and isinstance(value, int) and not isinstance(value, bool))


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


_Rule = tuple[Callable[[Any], bool], str]
_A_TEXT: Final[_Rule] = (_text, "a text that is not empty")
_A_TRUTH: Final[_Rule] = (_truth, "true or false")
_SECONDS: Final[_Rule] = (_number, "seconds above 0")
_A_COUNT: Final[_Rule] = (_count, "a whole number from 1")
KEYS: Final[Mapping[str, _Rule]] = MappingProxyType(
    {
        "base_url": _A_TEXT,
        "token": _A_TEXT,
        "token_file": _A_TEXT,
        "token_env": _A_TEXT,
        "auth": _A_TEXT,
        "ca_file": _A_TEXT,
        "allow_http": _A_TRUTH,
        "trust_env": _A_TRUTH,
        "timeout": _SECONDS,
        "deadline": _SECONDS,
        "max_concurrency": _A_COUNT,
        "max_rate": (_number, "requests a second above 0"),
        "retry": (_retries, "a number of retries from 0"),
        "per_page": _A_COUNT,
    }
)
"""What a profile may say, and how it is checked."""


def config_file(environ: Mapping[str, str], *, windows: bool = os.name == "nt") -> Path | None:
    """Where profiles are looked for, by the library and the command line alike; None: no home folder is known.

    Source: the XDG base directory specification, by which a relative path is ignored.
    """
    base = Path(environ.get("XDG_CONFIG_HOME", ""))
    if not base.is_absolute() and windows:
        base = Path(environ.get("APPDATA", ""))
    if not base.is_absolute():
        try:
            base = Path.home() / ".config"
        except RuntimeError:
            return None
    return base / "asyncchat" / "config.toml"


def parse_file(text: str, file: Path) -> dict[str, Any]:
    """Every profile in a text, unchecked, by name.

    Raises:
        ConfigurationError: It is no TOML, or something stands outside a profile.
    """
    try:
        tables, problem = tomllib.loads(text), ""
    except (ValueError, RecursionError) as exc:  # a TOMLDecodeError, or a number of too many digits
        tables, problem = {}, str(exc)
    if problem:  # out of the handler: its exception may hold the whole text
        raise ConfigurationError(f"{file} is no TOML: {problem}")
    for name, value in tables.items():
        if not isinstance(value, dict):
            raise ConfigurationError(f"{file}: {name} stands outside a profile: put it below [{DEFAULT}]")
    return tables


def parse_profile(text: str, name: str, file: Path) -> dict[str, Any]:
    """What a `Profile` is made of.

    Args:
        text: The whole file.
        name: Which profile.
        file: Where the text comes from.

    Raises:
        ConfigurationError: It is no TOML, has no such profile, or the profile says what none can.
    """
    tables = parse_file(text, file)
    if name not in tables:
        there = ", ".join(sorted(tables)) or "none"
        raise ConfigurationError(f"{file} has no profile {name!r}: there are {there}")
    where = f"{file}, [{name}]"
    for key, value in tables[name].items():
        _check(key, value, where)
    given = dict(tables[name])
    tokens = [key for key in ("token", "token_file", "token_env") if key in given]
    if len(tokens) > 1:
        raise ConfigurationError(f"{where}: {' and '.join(tokens)} exclude each other: keep one")
    for key in ("token_file", "ca_file"):
        if key in given:
            given[key] = file.parent / Path(given[key]).expanduser()
    if "token" in given:
        given["token"] = Token(given["token"])
    return {"name": name, "file": file, **given}


def _check(key: str, value: Any, where: str) -> None:
    if key not in KEYS:
        near = difflib.get_close_matches(key, KEYS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(KEYS)}"
        raise ConfigurationError(f"{where} has an unknown key {key!r}: {hint}")
    is_right, what = KEYS[key]
    if not is_right(value):
        shown = type(value).__name__ if key.startswith("token") else f"{value!r:.40}"
        raise ConfigurationError(f"{where}: {key} takes {what}, not {shown}")
