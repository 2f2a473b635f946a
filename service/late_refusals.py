"""Who guesses tokens is told late: all but a few refusals a second keep their caller waiting.

A connection has room for so many calls only, and gRPC turns further ones away by itself, for next to nothing. So who is
kept waiting can ask for little, however fast he guesses, or makes calls and takes them back. What is refused, and why,
is left to service/rpc/interceptors.py.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

AT_ONCE_PER_S = 10
"""Refusals that come at once: of callers who have mistyped their token, or of programs whose token has been revoked."""

MOST_WAITING = 1000
"""Calls kept waiting at a time, because each takes memory; further ones are refused at once."""


class LateRefusals:
    """Belongs to the event loop. Of all callers together: an address may stand for many, and many for one."""

    def __init__(self, late_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """late_s: how long a caller is kept waiting, half as long to half as long again; 0: not at all."""
        self._late_s = late_s
        self._clock = clock
        self._second_s = clock()
        self._refused_at_once = 0
        self._waiting: set[asyncio.Future[None]] = set()

    async def wait(self) -> None:
        """Returns when the caller may be told, also where he has gone: he would be back at once with the next call."""
        if not self._late_s or self._is_one_of_few() or len(self._waiting) >= MOST_WAITING:
            return
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        # Not all of a burst at the same moment: it would be a burst again, whose callers come back at the same moment.
        timer = loop.call_later(self._late_s * random.uniform(0.5, 1.5), _set, over)
        self._waiting.add(over)
        has_gone = False
        while not over.done():
            try:
                await asyncio.shield(over)
            except asyncio.CancelledError:
                has_gone = True
        timer.cancel()
        self._waiting.discard(over)
        if has_gone:
            raise asyncio.CancelledError

    def end(self) -> None:
        """The server stops: nobody is kept waiting any more."""
        self._late_s = 0.0
        for over in self._waiting:
            _set(over)

    def _is_one_of_few(self) -> bool:
        now_s = self._clock()
        if now_s - self._second_s >= 1.0:
            self._second_s, self._refused_at_once = now_s, 0
        self._refused_at_once += 1
        return self._refused_at_once <= AT_ONCE_PER_S


def _set(over: asyncio.Future[None]) -> None:
    if not over.done():
        over.set_result(None)
