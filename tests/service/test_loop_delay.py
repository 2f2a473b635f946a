"""A blocked loop is seen."""

from __future__ import annotations

import asyncio
import time

import pytest

from service.loop_delay import watch_loop

pytestmark = pytest.mark.asyncio


async def test_what_blocks_the_loop_is_reported_with_its_length() -> None:
    delays: list[float] = []
    watching = asyncio.create_task(watch_loop(delays.append))
    await asyncio.sleep(0.01)
    time.sleep(0.3)
    await asyncio.sleep(0.01)
    watching.cancel()
    assert max(delays) > 0.2
