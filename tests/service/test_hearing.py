"""Audio is taken in on one thread, in the order in which it came; an error is its caller's alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from service.errors import EngineStopped
from service.hearing import Hearing


@pytest_asyncio.fixture
async def hearing() -> AsyncIterator[Hearing]:
    hearing = Hearing()
    yield hearing
    hearing.close()


@pytest.mark.asyncio
async def test_work_is_done_in_order_on_one_other_thread(hearing: Hearing) -> None:
    done: list[tuple[int, str]] = []

    async def caller(number: int) -> None:
        await hearing(lambda: done.append((number, threading.current_thread().name)))

    await asyncio.gather(*map(caller, range(100)))
    assert done == [(number, "hearken-audio") for number in range(100)]


@pytest.mark.asyncio
async def test_an_error_is_its_callers_alone(hearing: Hearing) -> None:
    def fail() -> None:
        raise ValueError("no audio")

    outcomes = await asyncio.gather(hearing(lambda: None), hearing(fail), hearing(lambda: None), return_exceptions=True)
    assert outcomes[0] is None and outcomes[2] is None
    assert isinstance(outcomes[1], ValueError)


@pytest.mark.asyncio
async def test_who_goes_away_disturbs_nobody(hearing: Hearing) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        go_on.wait()

    gone = asyncio.create_task(hearing(wait))
    await asyncio.to_thread(begun.wait)
    other = asyncio.create_task(hearing(lambda: None))
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    go_on.set()
    await other


@pytest.mark.asyncio
async def test_what_was_there_before_the_end_is_done_and_nothing_after() -> None:
    hearing, done = Hearing(), []
    tasks = [asyncio.create_task(hearing(lambda: done.append(1))) for _ in range(50)]
    await asyncio.sleep(0)
    hearing.close()
    await asyncio.gather(*tasks)
    assert len(done) == 50
    with pytest.raises(EngineStopped):
        await hearing(lambda: done.append(1))
