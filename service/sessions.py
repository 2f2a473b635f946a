"""Who may come in, and one caller's conversation: audio pieces in, updates out.

Forming batches is left to service/lanes.py; messages and status codes to service/rpc.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from models.types import AudioFormat, RecognitionOptions, Result, SpeechEvent
from service.engine import Recognizer, Stream
from service.errors import InvalidRequest, LimitReached, ServerFull, ShuttingDown, StartError
from service.lanes import Lanes
from service.metrics import Metrics
from service.quotas import RETRY_AFTER_S, Allowance, Caller, Quotas

logger = logging.getLogger(__name__)

DECODER_THREADS = 16
"""Utterances that wait for their beam search at the same time; the searching is done by the recognizer's processes."""

StreamT = TypeVar("StreamT", bound=Stream)


@dataclass(frozen=True, slots=True)
class Update:
    """What one step brought, results or an event, and where the stream stands in its audio."""

    results: tuple[Result, ...]
    received_s: float
    recognized_s: float
    event: SpeechEvent | None = None


class Session(Generic[StreamT]):
    """One caller's conversation, from the first byte to the last result."""

    def __init__(
        self,
        stream: StreamT,
        lanes: Lanes[StreamT, Result],
        workers: ThreadPoolExecutor,
        metrics: Metrics,
        *,
        decode: Callable[[StreamT], Awaitable[list[Result]]],
        language: str,
        allowance: Allowance,
        max_audio_s: float,
    ) -> None:
        """decode: gives the final result of a stream that is decoding. language: of the model."""
        self.language = language
        self._stream = stream
        self._lanes = lanes
        self._workers = workers
        self._metrics = metrics
        self._decode = decode
        self._allowance = allowance
        self._max_audio_s = max_audio_s

    @property
    def received_s(self) -> float:
        """Audio received so far."""
        return self._stream.received_s

    async def recognize(self, audio: AsyncIterator[bytes]) -> AsyncGenerator[Update, None]:
        """The updates of all audio, as soon as there are any; ends after the last result of the last piece.

        Ends before the audio if the caller's options say so: after a single utterance, or when nobody speaks.
        A LimitReached, of the audio or of the allowance, ends the audio; it is raised after the last result.
        """
        limit: LimitReached | None = None
        try:
            async for data in audio:
                self._allowance.check()
                # A long message must delay neither the results that its beginning allows nor other callers' audio.
                at = 0
                while at < len(data) and not self._stream.is_over:
                    piece = data[at : at + self._stream.piece_bytes]
                    at += len(piece)
                    await self._accept(piece)
                    async for update in self._advance():
                        yield update
                if self._stream.is_over:
                    break
        except LimitReached as error:
            limit = error
        await asyncio.get_running_loop().run_in_executor(self._workers, self._stream.finish)
        async for update in self._advance():
            yield update
        if limit is not None:
            raise limit

    async def _accept(self, piece: bytes) -> None:
        before_s = self._stream.received_s
        await asyncio.get_running_loop().run_in_executor(self._workers, self._stream.accept, piece)
        piece_s = self._stream.received_s - before_s
        self._metrics.audio_seconds.inc(piece_s)
        self._allowance.charge(piece_s * self._stream.channels)
        if self._stream.received_s > self._max_audio_s:
            raise InvalidRequest(
                "audio", f"longer than the {self._max_audio_s:g} s that are recognized whole; use StreamingRecognize"
            )

    async def _advance(self) -> AsyncIterator[Update]:
        for update in self._events():
            yield update
        while self._stream.is_ready or self._stream.is_decoding:
            if self._stream.is_decoding:
                results = await self._decode(self._stream)
            else:
                results = await self._lanes.advance(self._stream)
            if results:
                for result in results:
                    self._metrics.results.labels("final" if result.is_final else "interim").inc()
                yield Update(tuple(results), self._stream.received_s, self._stream.recognized_s)
            for update in self._events():
                yield update

    def _events(self) -> list[Update]:
        stream = self._stream
        return [Update((), stream.received_s, stream.recognized_s, event) for event in stream.take_events()]


@dataclass(frozen=True, slots=True)
class _Hosted(Generic[StreamT]):
    """A model and the queues in front of it."""

    recognizer: Recognizer[StreamT]
    lanes: Lanes[StreamT, Result]


class Sessions(Generic[StreamT]):
    """The door: a limited number of places, each held by one session until it ends, however it ends."""

    def __init__(
        self,
        recognizer: Recognizer[StreamT],
        lanes: Lanes[StreamT, Result],
        metrics: Metrics,
        *,
        quotas: Quotas,
        max_streams: int,
    ) -> None:
        self._default = recognizer.name
        self._hosted = {recognizer.name: _Hosted(recognizer, lanes)}
        self._metrics = metrics
        self._quotas = quotas
        self._max_streams = max_streams
        self._active = 0
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._workers = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="hearken-audio")
        self._decoders = ThreadPoolExecutor(DECODER_THREADS, thread_name_prefix="hearken-decoder")

    @property
    def recognizer(self) -> Recognizer[StreamT]:
        """The default model."""
        return self._hosted[self._default].recognizer

    @property
    def recognizers(self) -> tuple[Recognizer[StreamT], ...]:
        """All models, the default first."""
        return tuple(hosted.recognizer for hosted in self._hosted.values())

    def host(self, recognizer: Recognizer[StreamT], lanes: Lanes[StreamT, Result]) -> None:
        """Offers another model, with queues of its own. Raises StartError when its name is taken."""
        if recognizer.name in self._hosted:
            raise StartError(f"two models are called {recognizer.name!r}; give one of them another name in its package")
        self._hosted[recognizer.name] = _Hosted(recognizer, lanes)

    @contextmanager
    def open(
        self,
        audio: AudioFormat,
        options: RecognitionOptions,
        *,
        caller: Caller,
        stream_id: str,
        method: str,
        max_audio_s: float = math.inf,
    ) -> Iterator[Session[StreamT]]:
        """A session and its place, as long as the `with` block lasts.

        Raises ServerFull, ShuttingDown, what the quotas say about the caller, and the recognizer about its options,
        whose model must be one of `recognizers` or empty.
        """
        if self._draining:
            raise ShuttingDown
        if self._active >= self._max_streams:
            raise ServerFull(self._max_streams, RETRY_AFTER_S)
        with self._quotas.hold(caller) as allowance:
            hosted = self._hosted[options.model or self._default]
            stream = hosted.recognizer.open_stream(audio, options)
            with self._place(method):
                logger.info("stream %s: %s of %s, %s, %s", stream_id, method, caller, audio, options)
                try:
                    yield Session(
                        stream,
                        hosted.lanes,
                        self._workers,
                        self._metrics,
                        decode=partial(self._decode, hosted.recognizer),
                        language=hosted.recognizer.card.language,
                        allowance=allowance,
                        max_audio_s=max_audio_s,
                    )
                finally:
                    logger.info("stream %s: ended after %.2f s of audio", stream_id, stream.received_s)

    @contextmanager
    def _place(self, method: str) -> Iterator[None]:
        self._active += 1
        self._empty.clear()
        self._metrics.streams.labels(method).inc()
        self._metrics.streams_active.inc()
        try:
            yield
        finally:
            self._active -= 1
            self._metrics.streams_active.dec()
            if not self._active:
                self._empty.set()

    def close_door(self) -> None:
        """From now on everybody who comes is turned away; those inside stay."""
        self._draining = True

    async def empty(self) -> None:
        """Waits until the last session has ended."""
        await self._empty.wait()

    def close(self) -> None:
        """Lets go of the worker threads and of the recognizers; may wait for their processes to end."""
        for pool in (self._workers, self._decoders):
            pool.shutdown(wait=False, cancel_futures=True)
        for recognizer in self.recognizers:
            recognizer.close()

    async def _decode(self, recognizer: Recognizer[StreamT], stream: StreamT) -> list[Result]:
        return await asyncio.get_running_loop().run_in_executor(self._decoders, recognizer.decode, stream)
