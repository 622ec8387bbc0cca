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

`text` decides everything from a text; `Profile.load` alone looks at the disk.
"""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import attrs

from asyncchat._policy.secret import Token
from asyncchat._profile.text import DEFAULT, config_file, parse_file, parse_profile
from asyncchat.errors import ConfigurationError

_OTHERS_READ: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_PORTS: Final = {"http": 80, "https": 443}


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
            return opened.read().decode("utf-8-sig"), os.fstat(opened.fileno()).st_mode
    except OSError as exc:
        problem = exc.strerror or str(exc)
    except UnicodeDecodeError:
        pass  # it holds the bytes, so the error is raised out of the handler
    except ValueError:
        problem = "its name cannot be one"
    raise ConfigurationError(f"the profiles in {file} cannot be read ({problem})")


def _token_in(file: Path, profile: Profile) -> str:
    try:
        return _read(file)[0]
    except ConfigurationError as exc:
        problem = str(exc).removeprefix("the profiles in ")
    raise ConfigurationError(f"the token of {profile}: {problem}")
