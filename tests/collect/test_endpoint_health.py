"""Endpoints that hang hold few connections, and are soon left alone; one call tries whether they are back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stocktake.collect.endpoint_health import EndpointHealth, RegionHealth
from stocktake.collect.http import TransferError
from stocktake.core.errors import ScopeError

TIMEOUT = TransferError("no answer", code="timeout")
RESET = TransferError("reset", code="reset")


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def fail(health: EndpointHealth, error: Any, times: int) -> None:
    for _ in range(times):
        await health.enter()
        health.failed(error)
        health.leave()


async def refused(health: EndpointHealth) -> str:
    with pytest.raises(ScopeError) as caught:
        await health.enter()
    assert caught.value.code == "endpoint_silent"
    return caught.value.message


def test_an_endpoint_that_never_answered_is_asked_by_few_at_a_time() -> None:
    async def main() -> None:
        health = EndpointHealth("s", "r", RegionHealth())
        entered = [asyncio.ensure_future(health.enter()) for _ in range(20)]
        await asyncio.sleep(0)
        assert sum(task.done() for task in entered) == 4
        entered[10].cancel()
        health.leave()
        await asyncio.sleep(0)
        assert sum(task.done() and not task.cancelled() for task in entered) == 5
        health.answered()
        await asyncio.wait(entered)
        assert sum(not task.cancelled() for task in entered) == 19

    asyncio.run(main())


def test_two_timeouts_close_a_new_endpoint_and_those_who_wait_are_told() -> None:
    async def main() -> None:
        clock = Clock()
        health = EndpointHealth("s", "r", RegionHealth(), clock)
        for _ in range(4):
            await health.enter()
        waiting = asyncio.ensure_future(health.enter())
        await asyncio.sleep(0)
        health.failed(TIMEOUT)
        health.failed(TIMEOUT)
        with pytest.raises(ScopeError, match="did not answer 2 times in a row: no answer"):
            await waiting
        for _ in range(4):
            health.leave()
        assert "s in r" in await refused(health)
        clock.now += 121
        await health.enter()  # one tries it for all
        await refused(health)
        health.answered()
        health.leave()
        await health.enter()

    asyncio.run(main())


def test_one_that_has_answered_is_given_more_time() -> None:
    async def main() -> None:
        health = EndpointHealth("s", "r", RegionHealth())
        health.answered()
        await fail(health, TIMEOUT, 5)
        health.answered()
        await fail(health, TIMEOUT, 5)
        await health.enter()
        health.leave()
        await fail(health, TIMEOUT, 1)
        await refused(health)

    asyncio.run(main())


def test_failures_that_cost_nothing_count_less() -> None:
    async def main() -> None:
        health = EndpointHealth("s", "r", RegionHealth())
        await fail(health, RESET, 19)
        assert not health.gives_up
        await fail(health, RESET, 1)
        await refused(health)

    asyncio.run(main())


def test_a_region_where_two_services_are_silent_is_not_asked_by_others_until_one_is_back() -> None:
    async def main() -> None:
        clock, region = Clock(), RegionHealth()
        first, second, third = (EndpointHealth(name, "r", region, clock) for name in ("a", "b", "c"))
        elsewhere = EndpointHealth("c", "other", RegionHealth(), clock)
        proven = EndpointHealth("d", "r", region, clock)
        proven.answered()
        await fail(first, TIMEOUT, 2)
        await third.enter()
        third.leave()
        await fail(second, TIMEOUT, 2)
        assert "a, b" in await refused(third)
        for health in (elsewhere, proven):
            await health.enter()
            health.leave()
        clock.now += 121
        await first.enter()
        first.answered()
        first.leave()
        await third.enter()

    asyncio.run(main())
