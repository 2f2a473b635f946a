"""Two queues in front of one model: long whole-utterance passes do not delay the interim results of other streams.

How a queue is emptied is left to service/batcher.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from service.batcher import Batcher
from service.engine import Stream
from service.metrics import Metrics

StreamT = TypeVar("StreamT", bound=Stream)
ResultT = TypeVar("ResultT")


class Lanes(Generic[StreamT, ResultT]):
    """Chunks go many streams at a time; utterances that have ended go one by one, in a thread of their own."""

    def __init__(
        self,
        advance: Callable[[Sequence[StreamT]], list[list[ResultT]]],
        *,
        max_batch: int,
        metrics: Metrics,
        on_death: Callable[[], None],
    ) -> None:
        """As Batcher; `advance` is called by two threads at a time, for different streams."""
        self._chunks: Batcher[StreamT, ResultT] = Batcher(
            advance, max_batch=max_batch, metrics=metrics, on_death=on_death
        )
        self._passes: Batcher[StreamT, ResultT] = Batcher(
            advance, max_batch=1, metrics=metrics, on_death=on_death, name="hearken-final-pass"
        )

    async def advance(self, stream: StreamT) -> list[ResultT]:
        """One step for this stream; as Batcher.advance."""
        return await (self._passes if stream.is_ending else self._chunks).advance(stream)

    def close(self) -> None:
        """Ends both threads after what they are at; whoever still waits gets EngineStopped."""
        self._chunks.close()
        self._passes.close()
