"""Who may come in: the door, with a limited number of places, and the threads that all streams share.

A caller's conversation is left to service/session.py, the models to service/hosting.py, messages to service/rpc.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

from models.types import AudioFormat, RecognitionOptions, Result
from service.engine import Recognizer, Stream
from service.errors import LimitReached, ServerBusy, ServerFull, ShuttingDown
from service.hearing import Hearing
from service.hosting import Hosting
from service.load import MachineLoad
from service.metrics import Metrics
from service.quotas import RETRY_AFTER_S, Caller, Quotas
from service.session import Session, StreamLimits
from service.tracing import Tracing

logger = logging.getLogger(__name__)

DECODER_THREADS = 16
"""Utterances that wait for their beam search at the same time; the searching is done by the recognizer's processes."""

StreamT = TypeVar("StreamT", bound=Stream)


class Sessions(Generic[StreamT]):
    """The door: a limited number of places, each held by one session until it ends, however it ends."""

    def __init__(
        self,
        hosting: Hosting[StreamT],
        metrics: Metrics,
        *,
        quotas: Quotas,
        max_streams: int,
        limits: StreamLimits,
        load: MachineLoad,
        tracing: Tracing,
    ) -> None:
        self._hosting = hosting
        self._metrics = metrics
        self._quotas = quotas
        self._max_streams = max_streams
        self._limits = limits
        self._load = load
        self._tracing = tracing
        self._inside: set[Session[StreamT]] = set()
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._workers = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="hearken-audio")
        self._hearing = Hearing()
        self._decoders = ThreadPoolExecutor(DECODER_THREADS, thread_name_prefix="hearken-decoder")

    @property
    def recognizer(self) -> Recognizer[StreamT]:
        """The default model."""
        return self._hosting.recognizers[0]

    @property
    def recognizers(self) -> tuple[Recognizer[StreamT], ...]:
        """All models, the default first."""
        return self._hosting.recognizers

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

        Raises ServerFull, ServerBusy, ShuttingDown, what the quotas say about the caller, and the recognizer about its
        options, whose model must be one of `recognizers` or empty.
        """
        if self._draining:
            raise ShuttingDown
        if len(self._inside) >= self._max_streams:
            raise ServerFull(self._max_streams, RETRY_AFTER_S)
        if not self._load.has_room(len(self._inside)):
            raise ServerBusy(len(self._inside), RETRY_AFTER_S)
        with (
            self._quotas.hold(caller) as allowance,
            self._hosting.use(options.model) as hosted,
            self._tracing.span(method, stream_id=stream_id, model=hosted.recognizer.name) as (note, span),
        ):
            stream = hosted.recognizer.open_stream(audio, options)
            session = Session(
                stream,
                hosted.lanes,
                self._workers,
                self._hearing,
                self._metrics,
                decode=partial(self._decode, hosted.recognizer, span),
                language=hosted.recognizer.card.language,
                allowance=allowance,
                limits=self._limits,
                load=self._load,
                latency_s=options.latency_ms / 1000,
                max_audio_s=max_audio_s,
            )
            with self._place(session, method):
                logger.info(
                    "stream %s: %s of %s, %s, model %s, latency %d ms",
                    stream_id,
                    method,
                    caller,
                    audio,
                    hosted.recognizer.name,
                    options.latency_ms,
                )
                try:
                    yield session
                finally:
                    received_s = round(stream.received_s, 3)
                    note("audio_s", received_s)
                    logger.info(
                        "stream %s: ended after %.2f s of audio", stream_id, received_s, extra={"audio_s": received_s}
                    )

    @contextmanager
    def _place(self, session: Session[StreamT], method: str) -> Iterator[None]:
        self._inside.add(session)
        self._empty.clear()
        self._metrics.streams.labels(method).inc()
        self._metrics.streams_active.inc()
        try:
            yield
        finally:
            self._inside.remove(session)
            self._metrics.streams_active.dec()
            if not self._inside:
                self._empty.set()

    def close_door(self) -> None:
        """From now on everybody who comes is turned away; those inside stay."""
        self._draining = True

    def end_all(self, reason: Callable[[float], LimitReached]) -> None:
        """Those inside send no more: they get the results of what was received, then the reason, made of its length."""
        for session in self._inside:
            session.end(reason(session.received_s))

    def end_all_at_pauses(self, reason: Callable[[float], LimitReached]) -> None:
        """Those inside send no more after their next final result, and then get the reason."""
        for session in self._inside:
            session.end_at_pause(reason)

    async def empty(self) -> None:
        """Waits until the last session has ended."""
        await self._empty.wait()

    def close(self) -> None:
        """Lets go of the worker threads."""
        for pool in (self._workers, self._decoders):
            pool.shutdown(wait=False, cancel_futures=True)
        self._hearing.close()

    async def _decode(self, recognizer: Recognizer[StreamT], span: Any, stream: StreamT) -> list[Result]:
        began_s = time.monotonic()
        with self._tracing.below(span, "decode"):
            results = await asyncio.get_running_loop().run_in_executor(self._decoders, recognizer.decode, stream)
        self._metrics.decode_seconds.observe(time.monotonic() - began_s)
        return results
