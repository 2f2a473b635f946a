"""One caller's conversation: audio pieces in, updates out.

Who may come in is left to service/sessions.py, forming batches to service/lanes.py, messages to service/rpc.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from models.types import Result, SpeechEvent
from service.engine import Stream
from service.errors import LimitReached, RecordingTooLong, StreamTooLong, TooSlow
from service.gathering import gathered
from service.hearing import Hearing
from service.lanes import Lanes
from service.load import MachineLoad
from service.metrics import Metrics
from service.quotas import Allowance

StreamT = TypeVar("StreamT", bound=Stream)

_PACKET_BYTES = 16 * 1024
"""Of raw audio half a second: what callers send who speak, or what has gathered. Longer pieces do not hold these up."""


@dataclass(frozen=True, slots=True)
class Update:
    """What one step brought, results or an event, and where the stream stands in its audio."""

    results: tuple[Result, ...]
    received_s: float
    recognized_s: float
    event: SpeechEvent | None = None


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one stream may take. max_stream_s: of audio. min_pace: audio received a second of waiting for it, over
    each pace_window_s of such waiting.
    """

    max_stream_s: float = math.inf
    min_pace: float = 0.0
    pace_window_s: float = 60.0


class Session(Generic[StreamT]):
    """One caller's conversation, from the first byte to the last result."""

    def __init__(
        self,
        stream: StreamT,
        lanes: Lanes[StreamT, Result],
        workers: ThreadPoolExecutor,
        hearing: Hearing,
        metrics: Metrics,
        *,
        decode: Callable[[StreamT], Awaitable[list[Result]]],
        language: str,
        allowance: Allowance,
        limits: StreamLimits,
        load: MachineLoad,
        latency_s: float,
        max_audio_s: float,
    ) -> None:
        """decode: gives the final result of a stream that is decoding. language: of the model. latency_s: that the
        caller has chosen.

        max_audio_s: longer audio is RecordingTooLong.
        """
        self.language = language
        self._stream = stream
        self._lanes = lanes
        self._workers = workers
        self._hearing = hearing
        self._metrics = metrics
        self._decode = decode
        self._allowance = allowance
        self._limits = limits
        self._load = load
        self._latency_s = latency_s
        self._max_audio_s = max_audio_s
        self._pace = _Pace(limits)
        self._arrivals = _Arrivals()
        self._ended_by: LimitReached | None = None
        self._ends_at_pause: Callable[[float], LimitReached] | None = None
        self._is_at_pause = False
        self._waiting: asyncio.Timeout | None = None

    @property
    def received_s(self) -> float:
        """Audio received so far."""
        return self._stream.received_s

    def end(self, reason: LimitReached) -> None:
        """Takes no more audio. What was received has its results, then `recognize` raises the reason."""
        if self._ended_by is None:
            self._ended_by = reason
            if self._waiting is not None:
                self._waiting.reschedule(0.0)

    def end_at_pause(self, reason: Callable[[float], LimitReached]) -> None:
        """Takes no more audio after its next final result: no word is cut, and whoever goes on elsewhere loses none.

        reason: raised then, made of the length of the audio. Audio that ends there by itself ends as ever. Of channels
        that are recognized separately one may speak while another pauses: they go on.
        """
        if self._stream.channels == 1:
            self._ends_at_pause = reason

    async def recognize(self, audio: AsyncIterator[bytes]) -> AsyncGenerator[Update, None]:
        """The updates of all audio, as soon as there are any; ends after the last result of the last piece.

        Ends before the audio if the caller's options say so: after a single utterance, or when nobody speaks.
        A LimitReached, of the audio, a limit or `end`, ends the audio; it is raised after the last result.
        """
        limit: LimitReached | None = None
        try:
            async with aclosing(gathered(self._until_ended(audio), _PACKET_BYTES // 2)) as pieces:
                async for data in pieces:
                    self._allowance.check()
                    if self._is_at_pause and self._ends_at_pause is not None:
                        raise self._ends_at_pause(self.received_s)
                    async for update in self._take(data):
                        yield update
                    if self._stream.is_over:
                        break
                    if self._stream.received_s >= self._limits.max_stream_s:
                        raise StreamTooLong(self._limits.max_stream_s)
        except LimitReached as error:
            limit = error
        await asyncio.get_running_loop().run_in_executor(self._workers, self._stream.finish)
        async for update in self._advance():
            yield update
        if limit is not None:
            raise limit

    async def _take(self, data: bytes) -> AsyncIterator[Update]:
        """In pieces: a long message must delay neither the results that its beginning allows nor others' audio."""
        at = 0
        while at < len(data) and not self._stream.is_over:
            piece = data[at : at + self._stream.piece_bytes]
            at += len(piece)
            await self._accept(piece)
            self._is_at_pause = False
            async for update in self._advance():
                self._is_at_pause |= any(result.is_final for result in update.results)
                yield update

    async def _until_ended(self, audio: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The audio, until it ends or somebody has called `end`. Raises what ends it."""
        iterator = aiter(audio)
        while self._ended_by is None:
            asked_s = time.monotonic()
            try:
                async with asyncio.timeout(None) as self._waiting:
                    data = await anext(iterator)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if self._ended_by is None:
                    raise
                break
            finally:
                self._waiting = None
            self._pace.check(time.monotonic() - asked_s, self._stream.received_s)
            yield data
        if self._ended_by is not None:
            raise self._ended_by

    async def _accept(self, piece: bytes) -> None:
        arrived_s, before_s = time.monotonic(), self._stream.received_s
        if len(piece) <= _PACKET_BYTES:
            await self._hearing(partial(self._stream.accept, piece))
        else:
            await asyncio.get_running_loop().run_in_executor(self._workers, self._stream.accept, piece)
        piece_s = self._stream.received_s - before_s
        self._arrivals.note(self._stream.received_s, arrived_s, settled_s=self._stream.recognized_s)
        self._metrics.audio_seconds.inc(piece_s)
        self._load.heard(piece_s * self._stream.channels)
        self._allowance.charge(piece_s * self._stream.channels)
        if self._stream.received_s > self._max_audio_s:
            raise RecordingTooLong(self._max_audio_s)

    async def _advance(self) -> AsyncIterator[Update]:
        for update in self._events():
            yield update
        while self._stream.is_ready or self._stream.is_decoding:
            if self._stream.is_decoding:
                results = await self._decode(self._stream)
            else:
                began_s, is_chunk = time.monotonic(), not self._stream.is_ending
                results = await self._lanes.advance(self._stream)
                if is_chunk:
                    self._load.waited(time.monotonic() - began_s, self._latency_s)
            if results:
                self._measure(results)
                yield Update(tuple(results), self._stream.received_s, self._stream.recognized_s)
            for update in self._events():
                yield update

    def _events(self) -> list[Update]:
        stream = self._stream
        return [Update((), stream.received_s, stream.recognized_s, event) for event in stream.take_events()]

    def _measure(self, results: list[Result]) -> None:
        metrics, recognized_s, now_s = self._metrics, self._stream.recognized_s, time.monotonic()
        for result in results:
            metrics.results.labels("final" if result.is_final else "interim").inc()
            if result.is_final:
                metrics.final_latency_seconds.observe(now_s - self._arrivals.newest_s)
            else:
                metrics.interim_latency_seconds.observe(now_s - self._arrivals.of(recognized_s))
        metrics.lag_seconds.observe(max(0.0, self._stream.received_s - recognized_s))


class _Pace:
    """Whether a caller sends fast enough to be worth its place. Only the waiting for audio counts."""

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._waited_s = self._before_s = 0.0

    def check(self, waited_s: float, received_s: float) -> None:
        """The next audio has come after so much waiting; so much was there before it. Raises TooSlow."""
        self._waited_s += waited_s
        if self._waited_s < self._limits.pace_window_s:
            return
        if received_s - self._before_s < self._limits.min_pace * self._waited_s:
            raise TooSlow(self._limits.min_pace)
        self._waited_s, self._before_s = 0.0, received_s


class _Arrivals:
    """When audio came."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[float, float]] = deque()
        self.newest_s = time.monotonic()

    def note(self, received_s: float, arrived_s: float, *, settled_s: float) -> None:
        """Audio up to received_s has come. Nobody will ask about what lies before settled_s."""
        self.of(settled_s)
        self.newest_s = arrived_s
        self._pieces.append((received_s, arrived_s))

    def of(self, audio_s: float) -> float:
        """When the audio up to here had come. Forgets what lies before it."""
        while self._pieces and self._pieces[0][0] < audio_s:
            self._pieces.popleft()
        return self._pieces[0][1] if self._pieces else self.newest_s
