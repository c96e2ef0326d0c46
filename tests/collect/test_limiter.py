from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from stocktake.collect.limiter import Limiter

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
