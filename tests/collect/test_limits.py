"""What is known of limits, what a user says, and two limits at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

import pytest

from stocktake.collect.limiter import Limiter, Limiters
from stocktake.collect.limits import Limit, Limits, parse_limit, read_known_limits
from stocktake.core.errors import UserError
from stocktake.providers.aws.models import open_models

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class Bucket:
    """A token bucket that answers after a while; it refuses as the provider does."""

    def __init__(self, rate: float, burst: float, latency: float) -> None:
        self.rate, self.burst, self.latency = rate, burst, latency
        self.tokens, self.at = burst, asyncio.get_running_loop().time()
        self.times: list[float] = []
        self.refused = 0

    async def call(self) -> bool:
        now = asyncio.get_running_loop().time()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        passed = self.tokens >= 1
        if passed:
            self.tokens -= 1
            self.times.append(now)
        else:
            self.refused += 1
        await asyncio.sleep(self.latency)
        return passed


async def drive(limiter: Limiter, bucket: Bucket, calls: int, workers: int = 32) -> float:
    left = iter(range(calls))
    started = asyncio.get_running_loop().time()

    async def work() -> None:
        for _ in left:
            passed = False
            while not passed:
                sent_at = await limiter.acquire()
                try:
                    passed = await bucket.call()
                finally:
                    limiter.release()
                limiter.succeeded() if passed else limiter.throttled(sent_at)

    await asyncio.gather(*[work() for _ in range(workers)])
    return asyncio.get_running_loop().time() - started


@pytest.mark.parametrize("latency", [0.01, 0.03, 0.05, 0.2])
def test_two_limits_at_once_take_their_ideal_times_and_waste_little(run_in_virtual_time: Run, latency: float) -> None:
    async def main() -> list[tuple[Bucket, float, int]]:
        limiters = Limiters()
        loads = [
            (Bucket(20.0, 100.0, latency), 1_500, limiters.limiter("r", "s", "Fast")),
            (Bucket(5.0, 5.0, latency), 350, limiters.limiter("r", "s", "Slow")),
        ]
        times = await asyncio.gather(*[drive(limiter, bucket, calls) for bucket, calls, limiter in loads])
        return [(bucket, seconds, calls) for (bucket, calls, _), seconds in zip(loads, times, strict=True)]

    for bucket, seconds, calls in run_in_virtual_time(main()):
        assert len(bucket.times) == calls
        assert seconds <= 1.1 * (calls - bucket.burst) / bucket.rate
        assert bucket.refused <= 0.05 * (calls + bucket.refused)


def test_a_high_limit_is_found_in_seconds(run_in_virtual_time: Run) -> None:
    async def main() -> tuple[float, Bucket]:
        bucket = Bucket(1_000.0, 1_000.0, 0.02)
        return await drive(Limiter(), bucket, 20_000), bucket

    seconds, bucket = run_in_virtual_time(main())
    assert seconds <= 1.1 * 19
    assert bucket.refused <= 40


def test_a_limit_that_changes_is_followed(run_in_virtual_time: Run) -> None:
    async def main() -> tuple[float, float]:
        bucket, limiter = Bucket(20.0, 20.0, 0.05), Limiter()
        await drive(limiter, bucket, 600)
        bucket.rate = 5.0  # somebody else takes the rest
        slow = await drive(limiter, bucket, 200)
        bucket.rate = 20.0
        return slow, await drive(limiter, bucket, 800)

    slow, fast = run_in_virtual_time(main())
    assert slow <= 1.25 * 200 / 5
    assert fast <= 1.5 * 800 / 20


def test_what_a_user_allows_is_never_exceeded(run_in_virtual_time: Run) -> None:
    async def main() -> list[float]:
        limits = Limits(of_user=(parse_limit("ec2:Describe*=10/s,3"),))
        bucket = Bucket(1e9, 1e9, 0.05)
        await drive(Limiters(limits=limits).limiter("r", "ec2", "DescribeVpcs"), bucket, 103)
        return bucket.times

    times = run_in_virtual_time(main())
    assert times[-1] - times[0] == pytest.approx(10.0, abs=0.01)
    for start, end in zip(times, times[13:], strict=False):
        assert end - start >= 1.0 - 1e-6  # never more than ten, and what was saved up, in a second


def test_waiting_for_a_slow_operation_uses_nothing_of_the_cap_up(run_in_virtual_time: Run) -> None:
    async def main() -> tuple[float, list[float]]:
        limits = Limits(of_user=(parse_limit("s:Slow=1/s"),))
        limiters = Limiters(calls_per_second=10.0, limits=limits)
        slow, fast = Bucket(1e9, 1e9, 0.01), Bucket(1e9, 1e9, 0.01)
        slow_run = asyncio.ensure_future(drive(limiters.limiter("r", "s", "Slow"), slow, 40))
        await asyncio.sleep(0.5)
        seconds = await drive(limiters.limiter("r", "s", "Fast"), fast, 90)
        slow_run.cancel()
        return seconds, sorted(slow.times + fast.times)

    seconds, times = run_in_virtual_time(main())
    assert seconds <= 10.5  # nine of ten calls a second, and what was saved up
    for start, end in zip(times, times[20:], strict=False):
        assert end - start >= 1.0 - 1e-6


def test_operations_that_are_counted_together_wait_in_one_line() -> None:
    async def main() -> None:
        limiters = Limiters(limits=read_known_limits())
        policy = limiters.limiter("r", "lambda", "GetPolicy")
        listed = limiters.limiter("r", "lambda", "ListFunctions")
        assert listed is limiters.limiter("r", "lambda", "ListLayers")
        assert listed is not policy
        assert listed is not limiters.limiter("other", "lambda", "ListFunctions")
        assert (listed.rate, policy.rate) == (15.0, 15.0)
        assert limiters.limiter("r", "lambda", "GetFunction").rate == 100.0

    asyncio.run(main())


def test_known_limits_name_services_operations_and_sources() -> None:
    models = open_models()
    for limit in read_known_limits().known:
        assert urlsplit(limit.source).scheme == "https"
        assert limit.per_second > 0
        assert limit.burst >= 1
        operations = models.load(limit.service).operations
        assert any(limit.fits(limit.service, name) for name in operations), limit


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("sagemaker:DescribeTrainingJob=10/s", Limit("sagemaker", "DescribeTrainingJob", 10.0, 10.0, source="user")),
        (" ec2:*=30/m ", Limit("ec2", "*", 0.5, 1.0, source="user")),
        ("s3:List*=0.5/s,20", Limit("s3", "List*", 0.5, 20.0, source="user")),
        ("iam:GetRole=3600/h", Limit("iam", "GetRole", 1.0, 1.0, source="user")),
    ],
)
def test_limits_as_a_user_writes_them(text: str, limit: Limit) -> None:
    assert parse_limit(text) == limit


@pytest.mark.parametrize("text", ["", "ec2=5/s", "ec2:*=0/s", "ec2:*=-1/s", "ec2:*=5", "ec2:*=5/d", "ec2:*=5/s,", "x"])
def test_what_is_no_limit_is_told_how_to_write_one(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_limit(text)
    assert caught.value.code == "bad_limit"
    assert "=10/s" in caught.value.hint
