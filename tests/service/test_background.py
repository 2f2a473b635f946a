"""Work in the background gives what it gives, and does not keep a process alive."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.background import in_background

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, time
from service.background import in_background

async def main():
    work = asyncio.create_task(in_background(time.sleep, 600))
    await asyncio.sleep(0)
    work.cancel()

asyncio.run(main())
"""


@pytest.mark.asyncio
async def test_the_result_or_the_error_comes_back() -> None:
    assert await in_background(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_background(divmod, 7, 0)


@pytest.mark.asyncio
async def test_a_caller_who_is_cancelled_does_not_wait() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await in_background(lambda: asyncio.run(asyncio.sleep(0.2)))


def test_a_process_does_not_wait_for_it() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, timeout=60)
