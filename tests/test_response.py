"""Answers: the error that each status stands for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import asyncchat
from asyncchat import APIStatusError, DecodeError, Response
from asyncchat._wire.response import error_text, status_error

NOW = 1_750_000_000.0


def error_of(status: int, body: bytes = b"", **headers: str) -> APIStatusError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    error = status_error(Response(status=status, headers=named, body=body), now=NOW)
    assert error is not None
    return error


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "InvalidRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (409, "ConflictError"),
        (422, "InvalidRequestError"),
        (429, "RateLimitError"),
        (500, "ServerError"),
        (503, "ServerError"),
        (524, "ServerError"),
        (599, "ServerError"),
        (301, "APIStatusError"),
        (307, "APIStatusError"),
        (402, "APIStatusError"),
        (418, "APIStatusError"),
        (451, "APIStatusError"),
        (100, "APIStatusError"),
    ],
)
def test_the_class_of_a_status(status: int, kind: str) -> None:
    """Each status has its class, and the nearest one if it has none of its own."""
    error = error_of(status)
    assert (type(error), error.status) == (getattr(asyncchat, kind), status)


@pytest.mark.parametrize("status", [200, 201, 204, 206, 299, 304])
def test_no_error(status: int) -> None:
    """2xx is success, and 304 is the caller's own wish."""
    assert status_error(Response(status=status), now=NOW) is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"message": "no such sort"}', "no such sort"),
        (b'{"error": "no such sort"}', "no such sort"),
        (b'{"detail": [{"loc": ["x"]}]}', '[{"loc": ["x"]}]'),
        (b'{"message": null, "error": {"code": 5}}', '{"code": 5}'),
        (b"  plain words \n", "plain words"),
        (b"<html>Oops</html>", ""),
        (b"", ""),
        (b"[1]", ""),
        (b"{}", ""),
        (b"[" * 200_000, "[" * 300),
        (b'{"message": "' + b"m" * 5_000 + b'"}', "m" * 300),
        (b"caf\xe9", "caf\ufffd"),
    ],
)
def test_what_a_body_says(body: bytes, said: str) -> None:
    """An error's body is read leniently."""
    assert error_text(body) == said


@given(st.binary())
def test_any_body_of_an_error_is_read(body: bytes) -> None:
    """No body of an error is itself an error."""
    assert error_of(500, body).status == 500


def test_a_message_has_status_reason_advice_and_id() -> None:
    """A message says what came, what the server said, what to do, and under which id the server knows it."""
    error = error_of(401, b'{"message": "bad\\n token."}', x_request_id="r-1")
    assert error.args[0] == ("401 Unauthorized: bad token. Check the token and where it goes (auth=) (request id r-1)")


def test_an_error_has_what_the_answer_had() -> None:
    """An error carries the id, the wait and the body's first 2,000 bytes."""
    error = error_of(429, b"x" * 5_000, request_id="r-2", retry_after="7")
    assert (error.request_id, error.retry_after, error.body) == ("r-2", 7.0, "x" * 2_000)


def test_a_redirect_is_not_success() -> None:
    """A redirect is an error that names base_url."""
    assert "Set base_url to where the API really is" in str(error_of(302, location="https://elsewhere.example"))


def test_headers_are_found_in_any_case() -> None:
    """Header names are lower-case, and the mapping is read-only."""
    response = Response(status=200, headers={"X-Request-ID": "r", "DATE": "Sun, 15 Jun 2025 15:06:40 GMT"})
    assert (response.request_id, response.date) == ("r", NOW)
    with pytest.raises(TypeError):
        response.headers["x"] = "y"  # type: ignore[index]


def test_a_repr_does_not_show_the_body() -> None:
    """A repr tells the body's size alone."""
    assert repr(Response(status=200, body=b"secret")) == "Response(status=200, body=<6 bytes>)"


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe{\x00}\x00", b"1" * 5_000, b"[" * 200_000])
def test_json_that_is_none(body: bytes) -> None:
    """`json()` of anything else is a retryable DecodeError."""
    with pytest.raises(DecodeError) as caught:
        Response(status=200, body=body).json()
    assert caught.value.retryable


@pytest.mark.parametrize(("body", "value"), [(b'\xef\xbb\xbf{"a": 1}', {"a": 1}), (b" null ", None)])
def test_json(body: bytes, value: Any) -> None:
    """`json()` gives plain values."""
    assert Response(status=200, body=body).json() == value
