"""Many callers, one call: streams that wait for the model are moved forward together, on one inference thread.

What a stream or a result is, is left to the `advance` function that it is given. There is no waiting timer: an idle
engine runs a lone stream at once, and what arrives while it is busy makes up the next batch.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from models.errors import DeviceLost, OutOfMemory
from service.errors import EngineStopped
from service.metrics import Metrics

logger = logging.getLogger(__name__)

StreamT = TypeVar("StreamT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket(Generic[StreamT, ResultT]):
    """One stream's turn. outcome: its results or its error, as a value, so that an abandoned one is no unseen error."""

    stream: StreamT
    outcome: asyncio.Future[list[ResultT] | Exception]
    since_s: float


class Batcher(Generic[StreamT, ResultT]):
    """A queue in front of the model, oldest first, and the thread that empties it."""

    def __init__(
        self,
        advance: Callable[[Sequence[StreamT]], list[list[ResultT]]],
        *,
        max_batch: int,
        metrics: Metrics,
        on_death: Callable[[], None],
        name: str = "hearken-inference",
    ) -> None:
        """Starts the thread; belongs to the running event loop.

        advance: one list of results a stream. on_death: called on the event loop if the thread ends unasked.
        """
        self._loop = asyncio.get_running_loop()
        self._advance = advance
        self._max_batch = max_batch
        self._metrics = metrics
        self._on_death = on_death
        self._waiting: dict[_Ticket[StreamT, ResultT], None] = {}  # in order of arrival
        self._running: list[_Ticket[StreamT, ResultT]] = []
        self._stopped = False
        self._changed = threading.Condition()  # guards the three above
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def advance(self, stream: StreamT) -> list[ResultT]:
        """One step for this stream, in whatever company.

        When this returns or raises, cancellation included, the model no longer touches the stream. Raises what the
        model raised for it, or EngineStopped.
        """
        ticket: _Ticket[StreamT, ResultT] = _Ticket(stream, self._loop.create_future(), time.perf_counter())
        with self._changed:
            if self._stopped:
                raise EngineStopped
            self._waiting[ticket] = None
            self._changed.notify()
        try:
            outcome = await asyncio.shield(ticket.outcome)
        except asyncio.CancelledError:
            if not self._withdraw(ticket):
                await asyncio.wait([ticket.outcome])
            raise
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        """Ends the thread after the batch it is at; whoever still waits gets EngineStopped."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _withdraw(self, ticket: _Ticket[StreamT, ResultT]) -> bool:
        with self._changed:
            if ticket not in self._waiting:
                return False
            del self._waiting[ticket]
            return True

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._deliver(batch, self._step([ticket.stream for ticket in batch]))
        except BaseException:
            logger.critical("the inference thread died", exc_info=True)
            self._fail_all()
            self._loop.call_soon_threadsafe(self._on_death)
        else:
            self._fail_all()

    def _next_batch(self) -> list[_Ticket[StreamT, ResultT]]:
        """The streams that have waited longest; waits for the first one. Empty: the end."""
        with self._changed:
            self._running = []
            while not self._waiting and not self._stopped:
                self._changed.wait()
            if not self._stopped:
                self._running = list(islice(self._waiting, self._max_batch))
                now_s = time.perf_counter()
                for ticket in self._running:
                    del self._waiting[ticket]
                    self._metrics.queue_seconds.observe(now_s - ticket.since_s)
            return self._running

    def _step(self, streams: list[StreamT]) -> list[list[ResultT] | Exception]:
        try:
            return [*self._call(streams)]
        except DeviceLost:
            raise  # nothing more can be computed in this process: the thread ends, and the server with it
        except Exception as error:
            if len(streams) == 1:
                return [error]
            half = len(streams) // 2
            if isinstance(error, OutOfMemory):
                self._max_batch = half
            logger.warning("a batch of %d streams failed; trying each half", len(streams), exc_info=True)
            return [*self._step(streams[:half]), *self._step(streams[half:])]

    def _call(self, streams: list[StreamT]) -> list[list[ResultT]]:
        started_s = time.perf_counter()
        results = self._advance(streams)
        self._metrics.advance_seconds.observe(time.perf_counter() - started_s)
        self._metrics.batch_size.observe(len(streams))
        if len(results) != len(streams):
            raise RuntimeError(f"the model gave {len(results)} lists of results for {len(streams)} streams")
        return results

    def _fail_all(self) -> None:
        with self._changed:
            self._stopped = True
            tickets = [*self._running, *self._waiting]
            self._waiting.clear()
        self._deliver(tickets, [EngineStopped() for _ in tickets])

    def _deliver(
        self, tickets: Sequence[_Ticket[StreamT, ResultT]], outcomes: Sequence[list[ResultT] | Exception]
    ) -> None:
        """Wakes the callers, in one call."""
        self._loop.call_soon_threadsafe(_wake, list(zip(tickets, outcomes, strict=True)))


def _wake(turns: list[tuple[_Ticket[StreamT, ResultT], list[ResultT] | Exception]]) -> None:
    for ticket, outcome in turns:
        if not ticket.outcome.done():
            ticket.outcome.set_result(outcome)
