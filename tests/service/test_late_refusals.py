"""Who is kept waiting for a refusal, and until when."""

from __future__ import annotations

import asyncio

import pytest

from service.late_refusals import AT_ONCE_PER_S, MOST_WAITING, LateRefusals

pytestmark = pytest.mark.asyncio

AN_HOUR_S = 3600.0


class Clock:
    """Stands still unless it is told otherwise."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def begun(late_refusals: LateRefusals, count: int) -> list[asyncio.Task[None]]:
    """So many refusals, each waiting if it has to."""
    tasks = [asyncio.create_task(late_refusals.wait()) for _ in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def done(tasks: list[asyncio.Task[None]]) -> int:
    return sum(task.done() for task in tasks)


async def test_a_few_refusals_a_second_come_at_once_and_further_ones_late() -> None:
    clock = Clock()
    late_refusals = LateRefusals(AN_HOUR_S, clock)
    first = await begun(late_refusals, AT_ONCE_PER_S + 5)
    assert done(first) == AT_ONCE_PER_S
    clock.now_s += 1
    assert done(await begun(late_refusals, AT_ONCE_PER_S + 5)) == AT_ONCE_PER_S
    assert done(first) == AT_ONCE_PER_S
    late_refusals.end()


async def test_a_late_refusal_comes_when_its_time_is_over() -> None:
    late_refusals = LateRefusals(0.05, Clock())
    async with asyncio.timeout(10):
        await asyncio.gather(*await begun(late_refusals, AT_ONCE_PER_S + 5))


async def test_the_call_of_a_caller_who_has_gone_lasts_as_long_as_if_he_were_there() -> None:
    late_refusals = LateRefusals(AN_HOUR_S, Clock())
    *_, gone = await begun(late_refusals, AT_ONCE_PER_S + 1)
    for _ in range(3):
        gone.cancel()
        await asyncio.sleep(0)
    assert not gone.done()
    late_refusals.end()
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_no_more_than_so_many_wait() -> None:
    late_refusals = LateRefusals(AN_HOUR_S, Clock())
    tasks = await begun(late_refusals, AT_ONCE_PER_S + MOST_WAITING + 5)
    assert len(tasks) - done(tasks) == MOST_WAITING
    late_refusals.end()
    await asyncio.gather(*tasks)


async def test_when_the_server_stops_nobody_waits_any_more() -> None:
    late_refusals = LateRefusals(AN_HOUR_S, Clock())
    tasks = await begun(late_refusals, 100)
    late_refusals.end()
    await asyncio.gather(*tasks, late_refusals.wait())


async def test_they_can_be_switched_off() -> None:
    late_refusals = LateRefusals(0.0, Clock())
    await asyncio.gather(*await begun(late_refusals, 100))
