"""Who may come in, and one caller's conversation: audio pieces in, updates out.

Forming batches is left to service/batcher.py; messages and status codes to service/rpc.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from models.types import AudioFormat, RecognitionOptions, Result
from service.batcher import Batcher
from service.engine import Recognizer, Stream
from service.errors import InvalidRequest, ServerFull, ShuttingDown
from service.metrics import Metrics

logger = logging.getLogger(__name__)

PIECE_BYTES = 32 * 1024
"""Longest piece that is decoded in one go: 1 s of 16 kHz audio, about 10 ms of work. So a long message delays neither
the results that its beginning already allows nor other callers' audio."""

RETRY_AFTER_S = 5.0
"""When a caller who finds the server full is told to come back."""

StreamT = TypeVar("StreamT", bound=Stream)


@dataclass(frozen=True, slots=True)
class Update:
    """What one step brought: results (at least one), and where the stream stands in its audio."""

    results: tuple[Result, ...]
    received_s: float
    recognized_s: float


class Session(Generic[StreamT]):
    """One caller's conversation, from the first byte to the last result."""

    def __init__(
        self,
        stream: StreamT,
        batcher: Batcher[StreamT, Result],
        workers: ThreadPoolExecutor,
        metrics: Metrics,
        *,
        max_audio_s: float,
    ) -> None:
        self._stream = stream
        self._batcher = batcher
        self._workers = workers
        self._metrics = metrics
        self._max_audio_s = max_audio_s

    @property
    def received_s(self) -> float:
        """Audio received so far."""
        return self._stream.received_s

    async def recognize(self, audio: AsyncIterator[bytes]) -> AsyncGenerator[Update, None]:
        """The updates of all audio, as soon as there are any; ends after the last result of the last piece."""
        async for data in audio:
            for start in range(0, len(data), PIECE_BYTES):
                await self._accept(data[start : start + PIECE_BYTES])
                async for update in self._advance():
                    yield update
        await asyncio.get_running_loop().run_in_executor(self._workers, self._stream.finish)
        async for update in self._advance():
            yield update

    async def _accept(self, piece: bytes) -> None:
        before_s = self._stream.received_s
        await asyncio.get_running_loop().run_in_executor(self._workers, self._stream.accept, piece)
        self._metrics.audio_seconds.inc(self._stream.received_s - before_s)
        if self._stream.received_s > self._max_audio_s:
            raise InvalidRequest(
                "audio", f"longer than the {self._max_audio_s:g} s that are recognized whole; use StreamingRecognize"
            )

    async def _advance(self) -> AsyncIterator[Update]:
        while self._stream.is_ready:
            results = await self._batcher.advance(self._stream)
            if results:
                for result in results:
                    self._metrics.results.labels("final" if result.is_final else "interim").inc()
                yield Update(tuple(results), self._stream.received_s, self._stream.recognized_s)


class Sessions(Generic[StreamT]):
    """The door: a limited number of places, each held by one session until it ends, however it ends."""

    def __init__(
        self,
        recognizer: Recognizer[StreamT],
        batcher: Batcher[StreamT, Result],
        metrics: Metrics,
        *,
        max_streams: int,
    ) -> None:
        self.recognizer = recognizer
        self._batcher = batcher
        self._metrics = metrics
        self._max_streams = max_streams
        self._active = 0
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._workers = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="hearken-audio")

    @contextmanager
    def open(
        self,
        audio: AudioFormat,
        options: RecognitionOptions,
        *,
        stream_id: str,
        method: str,
        max_audio_s: float = math.inf,
    ) -> Iterator[Session[StreamT]]:
        """A session and its place, as long as the `with` block lasts.

        Raises ServerFull, ShuttingDown, and what the recognizer says about audio and options.
        """
        if self._draining:
            raise ShuttingDown
        if self._active >= self._max_streams:
            raise ServerFull(self._max_streams, RETRY_AFTER_S)
        stream = self.recognizer.open_stream(audio, options)
        self._active += 1
        self._empty.clear()
        self._metrics.streams.labels(method).inc()
        self._metrics.streams_active.inc()
        logger.info("stream %s: %s, %s, %s", stream_id, method, audio, options)
        try:
            yield Session(stream, self._batcher, self._workers, self._metrics, max_audio_s=max_audio_s)
        finally:
            self._active -= 1
            self._metrics.streams_active.dec()
            if not self._active:
                self._empty.set()
            logger.info("stream %s: ended after %.2f s of audio", stream_id, stream.received_s)

    def close_door(self) -> None:
        """From now on everybody who comes is turned away; those inside stay."""
        self._draining = True

    async def empty(self) -> None:
        """Waits until the last session has ended."""
        await self._empty.wait()

    def close(self) -> None:
        """Lets go of the worker threads."""
        self._workers.shutdown(wait=False, cancel_futures=True)
