"""Requests: values that cannot leave the base URL nor smuggle a header."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncchat import ConfigurationError, Request
from asyncchat._wire.request import check_count, check_id


def test_a_plus_is_escaped() -> None:
    """The `+` of an offset arrives as `%2B`, a space as `%20`."""
    assert Request("GET", "/models", params={"since": "2025-05-05T05:05:05+0700", "q": "a b&c=/"}).query == (
        "since=2025-05-05T05%3A05%3A05%2B0700&q=a%20b%26c%3D%2F"
    )


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(codec="utf-8"))))
def test_a_query_holds_unreserved_characters_alone(params: dict[str, str]) -> None:
    """No value breaks out of its parameter."""
    query = Request("GET", "/", params=params).query
    assert query.count("=") == len(params)
    assert query.isascii()
    assert not set(query) & set(" +/?#\r\n\"'<>\\")


def test_none_is_left_out() -> None:
    """A parameter that is None is not sent; others become texts."""
    assert Request("GET", "/", params={"page": 1, "sort": None}).params == (("page", "1"),)


@pytest.mark.parametrize(
    "path",
    [
        "", "models", "https://evil.example/", "//evil.example/x", "/a?b=1", "/a#b", "/..", "/a/../b", "/a/./b", "/.",
        "/a/%2e%2e/b", "/a/%2E./b", "/a%2f..%2fb", "/a b", "/a\nb", "/a\r\nHost: x", "/a\\b", "/ä", "/a\x00", "/%0d\n",
    ],
)  # fmt: skip
def test_paths_that_are_refused(path: str) -> None:
    """A path that is absolute, climbs, or holds a query is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match="plain path below the base URL"):
        Request("GET", path)


@pytest.mark.parametrize("path", ["/", "/models", "/models/1/conversations", "/a.b/c..d", "/a%20b", "/x~y_z-1"])
def test_paths_that_are_taken(path: str) -> None:
    """Plain paths are kept as they are."""
    assert Request("GET", path).path == path


@pytest.mark.parametrize("headers", [{"X": "a\r\nB: c"}, {"X": "a\0"}, {"X\n": "a"}, {"X: y": "a"}, {"": "a"}])
def test_header_injection_is_refused(headers: dict[str, str]) -> None:
    """A header with a line end or a bad name is refused."""
    with pytest.raises(ConfigurationError, match="cannot be sent"):
        Request("GET", "/", headers=headers)


@pytest.mark.parametrize("method", ["", "GET /", "GET\r\n", "GÉT"])
def test_methods_that_are_refused(method: str) -> None:
    """What is no HTTP method is refused."""
    with pytest.raises(ConfigurationError, match="no HTTP method"):
        Request(method, "/")


def test_methods_are_upper_case() -> None:
    """A method is sent in upper case."""
    assert Request("get", "/").method == "GET"


def test_a_header_replaces_its_namesake() -> None:
    """A header replaces one of that name, in any case, and leaves the first request as it was."""
    first = Request("GET", "/", headers=[("X-A", "1"), ("X-B", "2")])
    assert first.with_header("x-a", "3").headers == (("X-B", "2"), ("x-a", "3"))
    assert first.headers == (("X-A", "1"), ("X-B", "2"))


def test_a_parameter_replaces_its_namesake() -> None:
    """A parameter replaces one of that name."""
    assert Request("GET", "/", params={"a": 1, "b": 2}).with_param("a", "3").params == (("b", "2"), ("a", "3"))


def test_a_repr_hides_headers_and_body() -> None:
    """Headers and body are not shown: they hold secrets."""
    shown = repr(Request("POST", "/x", headers={"Authorization": "Bearer secret"}, body=b"secret"))
    assert "secret" not in shown


@pytest.mark.parametrize("value", [-1, 2**63, True, "1", 1.0, None, "../../x", "a/b", ""])
def test_what_is_no_id(value: Any) -> None:
    """Only a whole number of int64 from 0 is an id, so nothing else ever stands in a path."""
    with pytest.raises(ConfigurationError, match="model_id takes a whole number"):
        check_id(value, "model_id")


@pytest.mark.parametrize("value", [0, 2**63 - 1])
def test_what_is_an_id(value: int) -> None:
    """Both ends of the range are ids."""
    assert check_id(value, "model_id") == value


@pytest.mark.parametrize("value", [0, -1, 2**31, True, "1", 1.5, None])
def test_what_is_no_count(value: Any) -> None:
    """Only a whole number of int32 from 1 is a count."""
    with pytest.raises(ConfigurationError, match="per_page takes a whole number"):
        check_count(value, "per_page")
