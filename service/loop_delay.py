"""How late the event loop is: what blocks it for a moment delays every caller by that moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_INTERVAL_S = 0.05


async def watch_loop(observe: Callable[[float], None]) -> None:
    """Reports again and again by how many seconds a timer of the running loop came late, until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + _INTERVAL_S
        await asyncio.sleep(_INTERVAL_S)
        observe(max(0.0, loop.time() - due_s))
