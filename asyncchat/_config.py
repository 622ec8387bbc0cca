"""What a client is made of: arguments first, then the environment."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from asyncchat._policy.auth import Auth, make_auth
from asyncchat._policy.secret import Token
from asyncchat.errors import ConfigurationError

_PLAIN: Final = re.compile(r"[!-\[\]-~]+")  # printable ASCII without the backslash
ENV_BASE_URL: Final = "ASYNCCHAT_BASE_URL"
ENV_TOKEN: Final = "ASYNCCHAT_API_TOKEN"  # noqa: S105 - a variable's name
ENV_AUTH: Final = "ASYNCCHAT_AUTH"


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


def resolve_base_url(base_url: str | None, *, allow_http: bool, environ: Mapping[str, str] | None = None) -> str:
    """The base URL from the argument, then the environment.

    Raises:
        ConfigurationError: There is none, or it cannot be used.
    """
    found = base_url if base_url is not None else (os.environ if environ is None else environ).get(ENV_BASE_URL)
    if not found:
        raise ConfigurationError(f"no base_url: give it, or set {ENV_BASE_URL}, as in https://host/v1")
    return check_base_url(found, allow_http=allow_http)


def resolve_auth(auth: str | Auth | None, token: str | Token | None, environ: Mapping[str, str] | None = None) -> Auth:
    """The auth flow from the arguments, then the environment.

    Raises:
        ConfigurationError: There is no token, or no such flow.
    """
    env = os.environ if environ is None else environ
    if auth is None:
        auth = env.get(ENV_AUTH) or "bearer"
    return make_auth(auth, token if token is not None else env.get(ENV_TOKEN))
