from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from stocktake.collect.limiter import GivenUpError, Limiter, Limiters, TokenQueue
from stocktake.collect.limits import Limit, Limits

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class Server:
    """A token bucket as EC2 documents its own."""

    def __init__(self, rate: float, burst: float, latency: float = 0.05) -> None:
        self.rate, self.burst, self.latency = rate, burst, latency
        self.tokens, self.at = burst, 0.0
        self.served = self.refused = 0

    async def call(self) -> bool:
        now = asyncio.get_running_loop().time()
        self.tokens = min(self.burst, self.tokens + (now - (self.at or now)) * self.rate)
        self.at = now
        passed = self.tokens >= 1
        if passed:
            self.tokens -= 1
            self.served += 1
        else:
            self.refused += 1
        await asyncio.sleep(self.latency)
        return passed


async def drive(limiter: Limiter, server: Server, calls: int, workers: int = 32) -> float:
    left = iter(range(calls))
    started = asyncio.get_running_loop().time()

    async def worker() -> None:
        for _ in left:
            while True:
                sent_at = await limiter.acquire()
                try:
                    passed = await server.call()
                finally:
                    limiter.release()
                if passed:
                    limiter.succeeded()
                    break
                limiter.throttled(sent_at)
                if limiter.hopeless:
                    return

    await asyncio.gather(*[worker() for _ in range(workers)])
    return asyncio.get_running_loop().time() - started


@pytest.mark.parametrize(
    ("rate", "burst", "calls"), [(20.0, 100.0, 1500), (5.0, 10.0, 200), (2.0, 2.0, 60), (100.0, 200.0, 4000)]
)
def test_it_finds_the_rate_and_loses_nothing(run_in_virtual_time: Run, rate: float, burst: float, calls: int) -> None:
    async def main() -> tuple[float, Server]:
        server = Server(rate, burst)
        return await drive(Limiter(), server, calls), server

    seconds, server = run_in_virtual_time(main())
    assert server.served == calls
    assert seconds <= 1.35 * (calls - burst) / rate + 5
    assert server.refused <= 0.1 * calls + 40


def test_operations_do_not_slow_each_other(run_in_virtual_time: Run) -> None:
    async def main() -> tuple[float, float]:
        limiters = Limiters()
        fast, slow = Server(20.0, 20.0), Server(5.0, 5.0)
        times = await asyncio.gather(
            drive(limiters.limiter("r", "s", "Fast"), fast, 400),
            drive(limiters.limiter("r", "s", "Slow"), slow, 100),
        )
        return times[0], times[1]

    fast, slow = run_in_virtual_time(main())
    assert fast <= 1.35 * 20 + 5
    assert slow <= 1.35 * 20 + 5


def test_without_throttling_nothing_waits(run_in_virtual_time: Run) -> None:
    async def main() -> tuple[float, float | None]:
        limiter = Limiter()
        return await drive(limiter, Server(1e9, 1e9), 3200), limiter.rate

    seconds, rate = run_in_virtual_time(main())
    assert 3200 / 32 * 0.05 <= seconds <= 3200 / 32 * 0.05 + 0.2  # it begins with few at once
    assert rate is None


def test_no_more_than_so_many_at_once(run_in_virtual_time: Run) -> None:
    async def main() -> float:
        return await drive(Limiter(max_concurrency=4), Server(1e9, 1e9), 400)

    assert run_in_virtual_time(main()) == pytest.approx(400 / 4 * 0.05)


def test_a_cap_holds_over_all_operations_of_the_account(run_in_virtual_time: Run) -> None:
    async def main() -> float:
        limiters = Limiters(calls_per_second=10.0)
        server = Server(1e9, 1e9)
        started = asyncio.get_running_loop().time()
        await asyncio.gather(*[drive(limiters.limiter("r", "s", name), server, 50) for name in "abcd"])
        return asyncio.get_running_loop().time() - started

    assert run_in_virtual_time(main()) == pytest.approx((200 - 10) / 10, abs=0.2)


def test_a_known_rate_spares_the_search(run_in_virtual_time: Run) -> None:
    async def main() -> Server:
        server = Server(10.0, 10.0)
        limiter = Limiters(limits=Limits((Limit("s", "A", 9.0, 9.0),))).limiter("r", "s", "A")
        await drive(limiter, server, 30)
        return server

    assert run_in_virtual_time(main()).refused <= 3


def test_where_nothing_passes_all_who_wait_are_told(run_in_virtual_time: Run) -> None:
    async def main() -> tuple[list[float | BaseException], float]:
        limiter, server = Limiter(patience_seconds=30.0), Server(0.0, 0.0)
        started = asyncio.get_running_loop().time()
        workers = [drive(limiter, server, 5, workers=1) for _ in range(40)]
        results = await asyncio.wait_for(asyncio.gather(*workers, return_exceptions=True), 120)
        return results, asyncio.get_running_loop().time() - started

    results, seconds = run_in_virtual_time(main())
    assert (
        sum(isinstance(result, GivenUpError) for result in results) >= 36
    )  # those under way are told by their own answers
    assert 30 <= seconds <= 36


def test_a_cancelled_wait_gives_its_turn_back(run_in_virtual_time: Run) -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        queue = TokenQueue(1.0)
        started, passed = loop.time(), []

        async def one() -> None:
            await queue.acquire()
            passed.append(round(loop.time() - started, 3))

        tasks = [asyncio.ensure_future(one()) for _ in range(6)]
        await asyncio.sleep(0.5)
        tasks[1].cancel()
        tasks[3].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return passed

    assert run_in_virtual_time(main()) == [0.0, 1.0, 2.0, 3.0]


def test_turns_come_in_order_and_follow_a_changed_rate(run_in_virtual_time: Run) -> None:
    async def main() -> list[tuple[int, float]]:
        loop = asyncio.get_running_loop()
        queue = TokenQueue(1.0)
        started, passed = loop.time(), []

        async def one(number: int) -> None:
            await queue.acquire()
            passed.append((number, round(loop.time() - started, 3)))

        tasks = [asyncio.ensure_future(one(number)) for number in range(5)]
        await asyncio.sleep(1.5)
        queue.rate = 10.0
        await asyncio.gather(*tasks)
        return passed

    assert run_in_virtual_time(main()) == [(0, 0.0), (1, 1.0), (2, 1.55), (3, 1.65), (4, 1.75)]
