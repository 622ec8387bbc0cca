"""What a client is made of: arguments first, then the environment, then a profile if one is given."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from asyncchat._policy.auth import Auth, make_auth
from asyncchat._policy.retry import RetryPolicy
from asyncchat._policy.secret import Token
from asyncchat._profile import Profile
from asyncchat._types import UNSET, Unset
from asyncchat.errors import ConfigurationError

_PLAIN: Final = re.compile(r"[!-\[\]-~]+")  # printable ASCII without the backslash
ENV_BASE_URL: Final = "ASYNCCHAT_BASE_URL"
ENV_TOKEN: Final = "ASYNCCHAT_API_TOKEN"  # noqa: S105 - a variable's name
ENV_AUTH: Final = "ASYNCCHAT_AUTH"
DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "timeout": 60.0,
        "deadline": 180.0,
        "max_concurrency": 32,
        "max_rate": None,
        "retry": RetryPolicy(attempts=4),
        "per_page": 100,
        "trust_env": False,
    }
)
"""What counts where neither an argument nor a profile says anything."""


def make_profile(profile: str | Profile | None) -> Profile | None:
    """The profile that an argument names; without one no file is looked at.

    Raises:
        ConfigurationError: There is no such profile, or something in it is wrong.
    """
    if profile is None or isinstance(profile, Profile):
        return profile
    if not isinstance(profile, str):
        raise ConfigurationError(f"profile takes a name or a Profile, not {type(profile).__name__}")
    return Profile.load(profile)


def settle(given: Mapping[str, Any], profile: Profile | None) -> dict[str, Any]:
    """What counts for each option: the argument unless it is `UNSET`, then the profile, then the default."""

    def choose(name: str, value: Any) -> Any:
        if value is not UNSET:
            return value
        said = getattr(profile, name, None)
        return DEFAULTS[name] if said is None else said

    return {name: choose(name, value) for name, value in given.items()}


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, so that plain http shows the token to nobody else."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_base_url(url: str, *, allow_http: bool) -> str:
    """The base URL without a slash at its end.

    Raises:
        ConfigurationError: It is no http(s) URL, or holds what does not belong there, or is http to another machine.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"base_url takes a text such as https://host/v1, not {type(url).__name__}")
    text = url.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:
        raise ConfigurationError("base_url is no URL: write it as https://host/v1") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("base_url holds a user name or password: give the token with token=")
    if parts.scheme not in {"http", "https"} or not host or not _PLAIN.fullmatch(text):
        shown = re.split("[?#]", url)[0][:80]  # what comes after may be a token
        raise ConfigurationError(f"base_url must be an http(s) URL such as https://host/v1, not {shown!r}")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise ConfigurationError("base_url takes no query and no fragment: write it as https://host/v1")
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        raise ConfigurationError(
            f"base_url is plain http to {host}: the token would cross the network readable. "
            "Use https, or allow_http=True if you know the network"
        )
    return text


def resolve_base_url(
    base_url: str | None,
    *,
    allow_http: bool | Unset,
    environ: Mapping[str, str] | None = None,
    profile: Profile | None = None,
) -> str:
    """The base URL from the argument, then the environment, then the profile.

    A profile's `allow_http` counts for its own server alone.

    Raises:
        ConfigurationError: There is none, or it cannot be used.
    """
    found = base_url if base_url is not None else (os.environ if environ is None else environ).get(ENV_BASE_URL)
    if found is None or found == "":
        found = profile.base_url if profile else None
    if found is None:
        raise ConfigurationError(f"no base_url: give it, or set {ENV_BASE_URL}, as in https://host/v1")
    if isinstance(allow_http, Unset):
        allow_http = bool(profile and profile.allow_http and profile.owns(found))
    return check_base_url(found, allow_http=allow_http)


def _said(name: str, environ: Mapping[str, str] | None) -> str | None:
    """A variable. No frame that an error may leave through has the whole environment in a local."""
    return os.environ.get(name) if environ is None else environ.get(name)


def resolve_auth(
    auth: str | Auth | None,
    token: str | Token | None,
    environ: Mapping[str, str] | None = None,
    *,
    profile: Profile | None = None,
    base_url: str = "",
) -> Auth:
    """The auth flow from the arguments, then the environment, then the profile.

    Whoever sets the environment controls the process, so its token goes wherever the process is pointed to. A profile's
    token goes to the profile's own server alone: a variable left over must not lead it elsewhere.

    Raises:
        ConfigurationError: There is no token, or no such flow, or the profile's token is for another server.
    """
    if auth is None:
        auth = _said(ENV_AUTH, environ) or (profile.auth if profile else None) or "bearer"
    if token is None and isinstance(auth, str):
        token = _said(ENV_TOKEN, environ)
        if not token and profile is not None:
            token = profile.token_for(base_url, environ) or token
    return make_auth(auth, token)
