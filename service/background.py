"""Work in a thread that nobody waits for when the process ends, unlike those of asyncio.to_thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_background(work: Callable[..., T], *arguments: Any) -> T:
    """What the work returns, or raises. If this is cancelled, the work goes on, and its outcome is lost."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value, error = None, None
        try:
            value = work(*arguments)
        except BaseException as raised:
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, name="hearken-background", daemon=True).start()
    return await outcome
