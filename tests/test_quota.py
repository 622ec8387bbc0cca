"""What retries are paid from, and how an outage is waited out. No time passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncchat import APIConnectionError, APIStatusError, AsyncChatError, DecodeError
from asyncchat._policy.quota import Credit, Outage, RetryQuota


def status_error(status: int) -> APIStatusError:
    return APIStatusError.for_status(status)("x", status=status)


failures = st.sampled_from([429, 500, 503]).map(status_error) | st.just(APIConnectionError("x"))


def test_a_quota_pays_ten_retries() -> None:
    """A full bucket pays 10 retries, or 20 when the server asked for patience."""
    for error, retries in ((status_error(500), 10), (status_error(429), 20), (DecodeError("x"), 10)):
        quota: RetryQuota | None = RetryQuota()
        paid = 0
        while quota is not None and (quota := quota.spend(error)) is not None:
            paid += 1
        assert paid == retries


def test_a_success_brings_five_back() -> None:
    """A success pays one retry of a throttled call, half of another one, and fills the bucket to its size at most."""
    assert RetryQuota(level=50).refund() == RetryQuota(level=55)
    assert RetryQuota(level=98).refund() == RetryQuota().refund() == RetryQuota()


def test_half_of_all_requests_may_be_turned_away() -> None:
    """Where every second request gets a 503, the bucket never empties."""
    quota = RetryQuota()
    for _ in range(1_000):
        spent = quota.spend(status_error(503))
        assert spent is not None
        quota = spent.refund()


@given(st.lists(failures, max_size=60))
def test_a_quota_is_never_negative(errors: list[AsyncChatError]) -> None:
    """The bucket stays between nothing and its size."""
    quota = RetryQuota()
    for error in errors:
        quota = quota.spend(error) or quota.refund()
        assert 0 <= quota.level <= quota.size


def test_what_is_paid_is_free() -> None:
    """What another request has paid for is free, as long as there is anything left."""
    assert RetryQuota(level=5).spend(status_error(503), paid=True) == RetryQuota(level=5)
    assert RetryQuota(level=4).spend(status_error(503), paid=True) is None
    assert RetryQuota(level=50).spend(status_error(500), paid=True) == RetryQuota(level=40)


@pytest.mark.parametrize("late", [0.0, 3.0])
def test_probes_become_rare(late: float) -> None:
    """In an outage one request goes out after 5 seconds, then 10, 20, 40, 60 and 60 after the one before."""
    outage, now = Outage(100.0), 100.0
    waits: list[float] = []
    for _ in range(7):
        waits.append(outage.wait(now) + (late if waits else 0.0))
        now += outage.wait(now)
        outage = outage.probed(now)
        now += late
    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0]


def test_credit_is_earned_and_bounded() -> None:
    """A retry that succeeded pays one request beyond the attempts; ten are kept, and there is no debt."""
    assert Credit().earn() == Credit(1)
    assert Credit(10).earn() == Credit(10)
    assert Credit(1).spend() == Credit(0) == Credit(0).spend()
