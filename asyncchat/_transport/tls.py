"""TLS: the context that an argument names, and what to do about a certificate that was refused."""

from __future__ import annotations

import os
import ssl as ssl_module
from typing import Final

import aiohttp

from asyncchat.errors import APIConnectionError, ConfigurationError

_OWN_CA: Final = "if the server has an own CA, give that CA's certificate as a PEM file with ssl="
_CLOCKS: Final = "compare this machine's clock; if it is right, the server needs a new certificate"
_NAMES: Final = "set base_url to a name that the certificate is for, or have one made for this name"

_EXPIRED, _NOT_YET = 10, 9
_WRONG_NAME: Final = frozenset({62, 64})
"""Codes of OpenSSL's X509_V_ERR_*: NOT_YET_VALID, HAS_EXPIRED, HOSTNAME_MISMATCH, IP_ADDRESS_MISMATCH."""


def make_ssl(ssl: ssl_module.SSLContext | str | os.PathLike[str] | None) -> ssl_module.SSLContext | None:
    """The TLS context that `ssl` names: a context, a file with certificates of an own CA, None for the system's.

    Raises:
        ConfigurationError: It is none of these, or the file cannot be read. There is no way to turn checking off here.
    """
    if ssl is None or isinstance(ssl, ssl_module.SSLContext):
        return ssl
    if isinstance(ssl, str | os.PathLike):
        try:
            return ssl_module.create_default_context(cafile=ssl)
        except (OSError, ValueError) as exc:
            raise ConfigurationError(
                f"ssl: the CA file {os.fspath(ssl)!r} cannot be used ({getattr(exc, 'strerror', None) or exc}): "
                "give a PEM file"
            ) from None
    raise ConfigurationError(
        "ssl takes an ssl.SSLContext or a file with your CA's certificates; it is never turned off"
    )


def certificate_refused(exc: aiohttp.ClientConnectorCertificateError) -> APIConnectionError:
    """The error of a certificate that is not trusted: why, and what to do. Nothing was sent."""
    cause = exc.certificate_error
    why = str(getattr(cause, "verify_message", "") or "not trusted").rstrip(".")
    return APIConnectionError(
        f"the certificate of {exc.host}:{exc.port} was refused ({why}): {_advice(getattr(cause, 'verify_code', 0))}",
        retryable=False,
    )


def _advice(code: int) -> str:
    if code in {_EXPIRED, _NOT_YET}:
        return _CLOCKS
    return _NAMES if code in _WRONG_NAME else _OWN_CA
