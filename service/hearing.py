"""Takes in the audio of all streams on one thread, outside the event loop.

Waking a thread, and the event loop after it, costs more than a packet's own work. So what has come while the thread was
busy is taken in with one waking of each.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from service.errors import EngineStopped

_LONGEST_S = 0.005
"""After so much work those whose audio has been taken in are told, though others wait."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """outcome: None or the error of the work, as a value, so that an abandoned one is no unseen error."""

    work: Callable[[], None]
    outcome: asyncio.Future[Exception | None]


class Hearing:
    """Starts the thread. Used by one event loop."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="hearken-audio", daemon=True)
        self._thread.start()

    async def __call__(self, work: Callable[[], None]) -> None:
        """Does this on the thread. Raises what it raises, or EngineStopped."""
        if self._is_closed:
            raise EngineStopped
        job = _Job(work, asyncio.get_running_loop().create_future())
        self._jobs.put(job)
        error = await job.outcome
        if error is not None:
            raise error

    def close(self) -> None:
        """Ends the thread after what was there before."""
        self._is_closed = True
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            until_s = time.monotonic() + _LONGEST_S
            done = [(job, _error_of(job.work))]
            while not self._jobs.empty() and time.monotonic() < until_s:
                if (job := self._jobs.get()) is None:
                    break
                done.append((job, _error_of(job.work)))
            done[0][0].outcome.get_loop().call_soon_threadsafe(_tell, done)
            if job is None:
                break


def _error_of(work: Callable[[], None]) -> Exception | None:
    try:
        work()
    except Exception as error:
        return error
    return None


def _tell(done: list[tuple[_Job, Exception | None]]) -> None:
    for job, error in done:
        if not job.outcome.done():
            job.outcome.set_result(error)
