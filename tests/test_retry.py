"""Retries as decisions: whether, and after how many seconds."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncchat import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncChatError,
    ConfigurationError,
    DecodeError,
    RetryPolicy,
)
from asyncchat._policy.retry import make_policy, worth_retrying

RETRIED = [408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524]
jitters = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 50),
    backoff=st.floats(0, 100),
    max_backoff=st.floats(0, 1_000),
    max_retry_after=st.floats(0, 10_000),
)


def status_error(status: int, retry_after: float | None = None) -> APIStatusError:
    return APIStatusError.for_status(status)("x", status=status, retry_after=retry_after)


failures = st.one_of(
    st.builds(status_error, st.integers(100, 599), st.none() | st.floats(0, 20_000)),
    st.builds(APIConnectionError, st.just("x"), sent=st.booleans(), retryable=st.booleans()),
    st.builds(DecodeError, st.just("x"), retryable=st.booleans()),
)


@given(policies, st.integers(1, 60), st.sampled_from(RETRIED), st.floats(0, 20_000), jitters)
def test_never_earlier_than_asked(policy: RetryPolicy, attempt: int, status: int, asked: float, jitter: float) -> None:
    """A retry never comes earlier than Retry-After, and never when it asks for more than the policy waits."""
    delay = policy.decide(attempt, status_error(status, asked), method="GET", jitter=jitter)
    assert delay is None or asked <= delay <= asked + policy.backoff
    assert (delay is None) == (attempt >= policy.attempts or asked > policy.max_retry_after)


@given(policies, st.integers(1, 5_000), jitters)
def test_the_bound_of_a_backoff(policy: RetryPolicy, attempt: int, jitter: float) -> None:
    """Without Retry-After a wait is at most backoff x 2^n, and at most max_backoff."""
    delay = attrs.evolve(policy, attempts=10_000).decide(attempt, status_error(500), method="GET", jitter=jitter)
    assert delay is not None
    assert 0 <= delay <= min(policy.max_backoff, policy.backoff * 2.0 ** min(attempt - 1, 1_000))


@pytest.mark.parametrize(
    ("attempt", "bound"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (6, 16.0), (7, 20.0), (50, 20.0)]
)
def test_the_numbers_of_the_backoff(attempt: int, bound: float) -> None:
    """Half a second, doubled with each attempt, 20 seconds at most."""
    policy = RetryPolicy(attempts=100)
    assert policy.decide(attempt, status_error(500), method="GET", jitter=0.5) == bound / 2


@given(policies, st.integers(1, 100), failures, st.sampled_from(["GET", "POST"]), jitters)
def test_attempts_are_bounded(
    policy: RetryPolicy, attempt: int, error: AsyncChatError, method: str, jitter: float
) -> None:
    """Whatever happens, there are no more attempts than the policy allows."""
    if policy.decide(attempt, error, method=method, jitter=jitter) is not None:
        assert attempt < policy.attempts


@pytest.mark.parametrize("status", range(100, 600))
def test_which_statuses_are_retried(status: int) -> None:
    """A GET is repeated after these statuses, and after no other."""
    assert worth_retrying(1, status_error(status), "GET") == (status in RETRIED)


@pytest.mark.parametrize("status", RETRIED)
def test_a_post_is_repeated_only_when_it_was_turned_away(status: int) -> None:
    """A POST is repeated after 429 and 503 alone: after another status the server may have done it."""
    assert worth_retrying(1, status_error(status), "POST") == (status in {429, 503})


@pytest.mark.parametrize("kind", [APIConnectionError, APITimeoutError])
@pytest.mark.parametrize(("method", "sent", "again"), [
    ("GET", True, True), ("GET", False, True), ("PUT", True, True), ("DELETE", True, True),
    ("POST", False, True), ("POST", True, False), ("PATCH", True, False),
])  # fmt: skip
def test_lost_connections(kind: type[APIConnectionError], method: str, sent: bool, again: bool) -> None:
    """A request that the server may have seen is repeated only if that does no harm."""
    assert worth_retrying(1, kind("x", sent=sent), method) == again


def test_what_cannot_get_better_is_not_retried() -> None:
    """A refused certificate stays refused."""
    assert not worth_retrying(1, APIConnectionError("x", retryable=False), "GET")


@pytest.mark.parametrize(("attempt", "again"), [(1, True), (2, False), (3, False)])
def test_what_is_no_json_gets_two_tries(attempt: int, again: bool) -> None:
    """An answer that is no JSON is asked for once more, and not again."""
    assert worth_retrying(attempt, DecodeError("x", retryable=True), "GET") == again


def test_another_shape_is_not_retried() -> None:
    """JSON in another shape would come in that shape again."""
    assert not worth_retrying(1, DecodeError("x"), "GET")


def test_a_wrong_argument_is_not_retried() -> None:
    """A ConfigurationError is the caller's."""
    assert not worth_retrying(1, ConfigurationError("x"), "GET")


@pytest.mark.parametrize(
    "wrong",
    [{"attempts": 0}, {"attempts": True}, {"attempts": 1.5}, {"backoff": -1}, {"backoff": "1"}, {"max_backoff": None},
     {"max_retry_after": float("nan")}],
)  # fmt: skip
def test_policies_that_are_refused(wrong: dict[str, Any]) -> None:
    """A wrong number is a ConfigurationError that names it."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        RetryPolicy(**wrong)


def test_a_policy_is_taken_as_it_is() -> None:
    """A policy is no number of retries."""
    policy = RetryPolicy(attempts=9)
    assert make_policy(policy) is policy


@pytest.mark.parametrize(
    ("policy", "status", "most"),
    [
        (RetryPolicy(), 503, 12),
        (RetryPolicy(), 429, 12),
        (RetryPolicy(), 500, 4),
        (RetryPolicy(attempts=1), 503, 1),
        (RetryPolicy(attempts=1, throttled_attempts=9), 503, 1),
        (RetryPolicy(throttled_attempts=6), 503, 6),
        (RetryPolicy(throttled_attempts=2), 503, 4),
    ],
)
def test_attempts_while_retries_help(policy: RetryPolicy, status: int, most: int) -> None:
    """Only a call that is turned away gets more than its attempts, and only while retries of others succeed."""
    assert policy.most(status_error(status), helping=True) == most
    assert policy.most(status_error(status), helping=False) == policy.attempts
    before_last = policy.decide(most - 1, status_error(status), method="GET", jitter=0.5, helping=True)
    assert before_last is not None
    assert policy.decide(most, status_error(status), method="GET", jitter=0.5, helping=True) is None
