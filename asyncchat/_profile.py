"""Profiles: named settings in a TOML file.

```toml
[default]
base_url = "https://chat.example.com/v1"
token_file = "token"

[work]
base_url = "https://chat.example.org/v1"
token_env = "WORK_TOKEN"
max_rate = 20
```

`parse_profile` decides everything from a text; `Profile.load` alone looks at the disk.
"""

from __future__ import annotations

import difflib
import math
import os
import stat
import tomllib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import attrs

from asyncchat._policy.auth import Token
from asyncchat.errors import ConfigurationError

DEFAULT: Final = "default"
_OTHERS_READ: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_MAX_COUNT: Final = 2**31 - 1
_PORTS: Final = {"http": 80, "https": 443}


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


@attrs.frozen(kw_only=True)
class Profile:
    """Settings of one name in the file of profiles. What it does not say is None.

    Its token goes to its own `base_url` alone; without one, to whichever is used.

    Attributes:
        name: What it is called, as in `[work]`.
        file: Where it stands.
        base_url: Where the API is.
        token: The token, hidden; at most one of the three is given.
        token_file: A file with the token; a relative path begins at the profile's own folder.
        token_env: The environment variable that holds the token.
        auth: "bearer", "header:NAME" or "query:NAME".
        ca_file: A PEM file with your own CA; a relative path begins at the profile's own folder.
        allow_http: Whether plain http may go to another machine, for the profile's own `base_url` alone.
        trust_env: Whether proxies are taken from the environment.
        timeout: Seconds for one attempt.
        deadline: Seconds for a call with all its attempts and waits.
        max_concurrency: Requests in flight at most.
        max_rate: Requests a second at most.
        retry: A number of retries after the first attempt; 0: none.
        per_page: Rows to ask for in a page.
        exposure: What is wrong with the file's permissions, and the command that cures it; None: nothing.
    """

    name: str
    file: Path
    base_url: str | None = None
    token: Token | None = None
    token_file: Path | None = None
    token_env: str | None = None
    auth: str | None = None
    ca_file: Path | None = None
    allow_http: bool | None = None
    trust_env: bool | None = None
    timeout: float | None = None
    deadline: float | None = None
    max_concurrency: int | None = None
    max_rate: float | None = None
    retry: int | None = None
    per_page: int | None = None
    exposure: str | None = None

    @classmethod
    def load(cls, name: str = DEFAULT, *, file: str | os.PathLike[str] | None = None) -> Self:
        """Read a profile from its file, with a UserWarning when others can read a token there or change the file.

        Args:
            name: Which one.
            file: Where it stands; None: asyncchat/config.toml in $XDG_CONFIG_HOME, else in ~/.config (on Windows in
                %APPDATA%).

        Raises:
            ConfigurationError: There is no such file or profile, or something in it is wrong.
        """
        path = config_file(os.environ) if file is None else Path(file)
        if path is None:
            raise ConfigurationError("no home folder is known: set XDG_CONFIG_HOME, or give the file of profiles")
        text, mode = _read(path)
        profile = cls(**parse_profile(text, name, path))
        exposure = find_exposure(profile, mode)
        if exposure is not None:
            warnings.warn(exposure, UserWarning, stacklevel=2)
        return attrs.evolve(profile, exposure=exposure)

    @classmethod
    def load_default(cls) -> Self | None:
        """The profile `default` if there is one, else None: what the command line reads when it is told nothing.

        Raises:
            ConfigurationError: Something in the file is wrong.
        """
        path = config_file(os.environ)
        if path is None or not path.exists() or DEFAULT not in parse_file(_read(path)[0], path):
            return None
        return cls.load()

    def __str__(self) -> str:
        return f"profile {self.name!r} of {self.file}"

    @property
    def token_source(self) -> str | None:
        """Where it has its token from, in words; None when it has none."""
        if self.token_env is not None:
            return f"{self.token_env}, as {self} says"
        if self.token_file is not None:
            return f"{self.token_file}, as {self} says"
        return None if self.token is None else str(self)

    def owns(self, base_url: str) -> bool:
        """Whether an address is of the profile's own origin, or it names none."""
        return self.base_url is None or origin(self.base_url) == origin(base_url)

    def token_for(self, base_url: str, environ: Mapping[str, str] | None = None) -> Token | None:
        """Its token, if it may go to that address; None when it has no token.

        Raises:
            ConfigurationError: The address is another server's, or the token cannot be read.
        """
        if self.token_source is None:
            return None
        if not self.owns(base_url):
            raise ConfigurationError(
                f"the token of {self} is for {self.base_url} and does not go to {base_url}: give a token for that "
                "server, or leave the other base_url out"
            )
        if self.token_env is not None:
            found = (os.environ if environ is None else environ).get(self.token_env)
            if not found:
                raise ConfigurationError(f"{self.token_env} is not set: {self} has its token there")
            return Token(found)
        return self.token if self.token_file is None else Token(_token_in(self.token_file, self))


def origin(base_url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL; a URL that is none has an origin of its own."""
    try:
        parts = urlsplit(base_url.strip())
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", base_url, None


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
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
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


def find_exposure(profile: Profile, mode: int, *, windows: bool = os.name == "nt") -> str | None:
    """Say when others can read a token in the file, or change the file; None when all is well.

    Args:
        profile: What was read.
        mode: The file's mode bits.
        windows: Whether mode bits mean nothing.
    """
    if windows or not mode & (_OTHERS_WRITE if profile.token is None else _OTHERS_READ):
        return None
    what = "change" if profile.token is None or mode & _OTHERS_WRITE else "read the token in"
    return f"others can {what} {profile.file}: chmod 600 {profile.file}"


def _read(file: Path) -> tuple[str, int]:
    """The text of a file, and its mode bits at that moment."""
    problem = "it is not UTF-8"
    try:
        with file.open("rb") as opened:
            return opened.read().decode("utf-8"), os.fstat(opened.fileno()).st_mode
    except OSError as exc:
        problem = exc.strerror or str(exc)
    except UnicodeDecodeError:
        pass  # it holds the bytes, so the error is raised out of the handler
    raise ConfigurationError(f"the profiles in {file} cannot be read ({problem})")


def _token_in(file: Path, profile: Profile) -> str:
    try:
        return _read(file)[0]
    except ConfigurationError as exc:
        problem = str(exc).removeprefix("the profiles in ")
    raise ConfigurationError(f"the token of {profile}: {problem}")
