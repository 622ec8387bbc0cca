"""Settings: arguments, then the environment; what is refused before anything is sent."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from asyncchat import AsyncClient, BearerAuth, ConfigurationError, HeaderAuth, QueryAuth, RetryPolicy
from asyncchat._config import check_base_url, is_loopback, resolve_auth, resolve_base_url
from asyncchat._policy.options import CallOptions
from asyncchat._transport.tls import make_ssl
from asyncchat.testing import MockTransport

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/v1", "host/v1", "//host/v1", "https://", "https:///v1", "https://ho st/v1", "https://höst/v1",
        "https://host:99999/v1", "https://host:x/v1", "https://[::1/v1", "https://host/v1?x=1", "https://host/v1#x",
        "https://host/v1?", "https://host/v1#", "https://ho\nst/v1", "https://ho\x00st", "https://ho\x7fst",
        "https://ho\\st/v1", "https://host\\.evil.example/", "https://a..b/", "https://" + "a" * 70 + ".example",
        "javascript:alert(1)", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_urls_that_are_refused(url: str) -> None:
    """What is no http(s) URL of an API is refused."""
    with pytest.raises(ConfigurationError, match="base_url"):
        check_base_url(url, allow_http=True)


@pytest.mark.parametrize("url", [5, b"https://host/v1", True, ["https://host"]])
def test_addresses_that_are_no_text(url: Any) -> None:
    """A base URL that is no text is refused by its type."""
    with pytest.raises(ConfigurationError, match=f"base_url takes a text such as .*, not {type(url).__name__}"):
        AsyncClient(url, token="t")


@pytest.mark.parametrize("url", ["https://user:hunter2@host/v1", "https://hunter2@host/v1", "https://:hunter2@host"])
def test_a_password_in_the_url_is_refused_without_showing_it(url: str) -> None:
    """A user name or password does not belong into the base URL, and is not repeated in the error."""
    with pytest.raises(ConfigurationError, match="give the token with token=") as caught:
        check_base_url(url, allow_http=True)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        (" https://host/v1/ ", "https://host/v1"),
        ("https://host", "https://host"),
        ("https://host:8443/a/b//", "https://host:8443/a/b"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_urls_that_are_taken(url: str, kept: str) -> None:
    """The base URL is kept without a slash at its end; plain http to this machine is fine."""
    assert check_base_url(url, allow_http=False) == kept


@pytest.mark.parametrize("host", ["host.example", "10.0.0.1", "0.0.0.0", "127.0.0.1.example", "localhost.example"])  # noqa: S104
def test_plain_http_to_another_machine_is_refused(host: str) -> None:
    """Plain http would show the token to the network: it has to be allowed by name."""
    with pytest.raises(ConfigurationError, match="allow_http=True"):
        check_base_url(f"http://{host}/v1", allow_http=False)
    assert check_base_url(f"http://{host}/v1", allow_http=True) == f"http://{host}/v1"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "api.localhost"])
def test_loopback(host: str) -> None:
    """These are this machine."""
    assert is_loopback(host)


def test_the_argument_beats_the_environment() -> None:
    """A base URL that is given wins over the variable."""
    environ = {"ASYNCCHAT_BASE_URL": "https://other"}
    assert resolve_base_url("https://host", allow_http=False, environ=environ) == "https://host"


def test_the_environment_has_a_base_url() -> None:
    """Without an argument the variable counts."""
    assert resolve_base_url(None, allow_http=False, environ={"ASYNCCHAT_BASE_URL": "https://host"}) == "https://host"


@pytest.mark.parametrize("environ", [{}, {"ASYNCCHAT_BASE_URL": ""}])
def test_no_base_url(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    """Without either, the error names the variable; an environment that is given is the only one."""
    monkeypatch.setenv("ASYNCCHAT_BASE_URL", "https://not-asked")
    with pytest.raises(ConfigurationError, match="set ASYNCCHAT_BASE_URL"):
        resolve_base_url(None, allow_http=False, environ=environ)


def test_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token, the error names the variable; an environment that is given is the only one."""
    monkeypatch.setenv("ASYNCCHAT_API_TOKEN", "not asked")
    with pytest.raises(ConfigurationError, match="set ASYNCCHAT_API_TOKEN"):
        resolve_auth(None, None, {})


@pytest.mark.parametrize(
    ("value", "kind"), [("bearer", BearerAuth), ("header:X-Token", HeaderAuth), ("query:token", QueryAuth)]
)
def test_auth_from_the_environment(value: str, kind: type) -> None:
    """ASYNCCHAT_AUTH says where the token of ASYNCCHAT_API_TOKEN goes."""
    assert isinstance(resolve_auth(None, None, {"ASYNCCHAT_AUTH": value, "ASYNCCHAT_API_TOKEN": "t"}), kind)


def test_a_client_takes_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client without arguments is made from the two variables."""
    monkeypatch.setenv("ASYNCCHAT_BASE_URL", "https://host/v1")
    monkeypatch.setenv("ASYNCCHAT_API_TOKEN", "t")
    AsyncClient()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", 0), ("timeout", -1), ("timeout", "60"), ("timeout", float("nan")), ("timeout", True),
        ("deadline", 0), ("retry", -1), ("retry", True), ("retry", "3"), ("retry", None), ("per_page", 0),
        ("per_page", 2.5), ("max_body", 0), ("max_concurrency", 0), ("max_rate", 0), ("max_rate", -1.0),
        ("max_rate", "5"), ("max_rate", float("nan")), ("max_rate", True), ("hooks", [5]), ("auth", "basic"),
        ("auth", "header:"), ("auth", "header:a b"), ("auth", "query:a&b"), ("auth", 5), ("token", ""),
        ("token", b"bytes"), ("token", 5),
    ],
)  # fmt: skip
def test_arguments_that_are_refused(name: str, value: Any) -> None:
    """A wrong argument is a ConfigurationError when the client is made."""
    with pytest.raises(ConfigurationError, match=r"takes|token"):
        AsyncClient(transport=MockTransport([]), **{name: value})


@pytest.mark.parametrize("name", ["timeout", "deadline"])
def test_none_is_no_bound(name: str) -> None:
    """A timeout or deadline may be switched off."""
    options: dict[str, Any] = {name: None}
    assert getattr(AsyncClient(transport=MockTransport([]), **options)._caller.options, name) is None


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (3, 4)])
def test_retry_takes_a_number(retries: int, attempts: int) -> None:
    """A number is how many retries there are after the first attempt."""
    assert CallOptions(retry=retries).retry == RetryPolicy(attempts=attempts)


def test_options_are_a_value() -> None:
    """Options are frozen."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        CallOptions().timeout = 5  # type: ignore[misc]


def test_a_context_is_taken_as_it_is() -> None:
    """`ssl` may be a context, or None for the system's."""
    context = ssl.create_default_context()
    assert make_ssl(context) is context
    assert make_ssl(None) is None


@pytest.mark.parametrize("value", [False, True, 5, "no/such/file.pem", os.devnull])
def test_checking_is_never_turned_off(value: Any) -> None:
    """Anything but a context or a file with certificates is refused: there is no switch to turn checking off."""
    with pytest.raises(ConfigurationError, match="ssl"):
        make_ssl(value)


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    """A file with something else is refused by its name."""
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        make_ssl(file)
