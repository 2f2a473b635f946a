"""One stream without asyncio: audio out, responses in, over as many connections as it takes.

Two threads meet here: one of gRPC's reads the audio and sends it, the caller's receives. A third one reads while the
one that sends cannot.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

import grpc

from hearken import _wire
from hearken._audio import AudioChunk, chunk_bytes
from hearken._connection import Connection
from hearken._errors import HearkenError, error_of
from hearken._replay import ReplayBuffer
from hearken._request import Request
from hearken._resume import Resumption
from hearken.v1 import speech_pb2 as pb

PACE_S = 0.1
"""How often it is looked at whether it is time to read on."""


class Exchange:
    """One stream; `responses` may be called once. closed: set when the client is closed."""

    def __init__(
        self, stub: Any, connection: Connection, request: Request, timeout_s: float | None, closed: threading.Event
    ) -> None:
        self._stub = stub
        self._connection = connection
        self._config = request.config
        self._resumption = Resumption(request, connection.reconnect, timeout_s)
        self._feed = _Feed(request.iterable(), self._resumption.replay)
        self._closed = closed

    @property
    def audio_s(self) -> float | None:
        """How much audio there was; None if only the server can tell."""
        return self._resumption.replay.audio_s

    def responses(self) -> Generator[pb.StreamingRecognizeResponse, None, None]:
        """All responses, as if there were one connection. Raises HearkenError, and what the audio raises."""
        with self._feed:
            while True:
                try:
                    yield from self._attempt()
                    return
                except HearkenError as error:
                    if self._feed.failure is not None:
                        raise self._feed.failure from None
                    if self._closed.is_set():
                        raise
                    with self._feed.lock:
                        delay_s = self._resumption.delay_s(error)
                        if self._resumption.is_complete:
                            return
                    if self._closed.wait(delay_s):
                        raise

    def _attempt(self) -> Generator[pb.StreamingRecognizeResponse, None, None]:
        sender: Future[Any] = Future()
        with self._feed.lock:
            timeout_s = self._resumption.begin()
            self._feed.call = sender
        requests = self._feed.requests(self._config, sender)
        call = self._stub.StreamingRecognize(requests, timeout=timeout_s, metadata=self._connection.call_metadata())
        sender.set_result(call)
        try:
            for response in call:
                with self._feed.lock:
                    self._resumption.accept(response)
                yield response
        except grpc.RpcError as error:
            raise error_of(error, self._connection.server) from error
        finally:
            call.cancel()
            self._feed.call = None


class _Feed:
    """Reads the audio of one stream and sends it to one call after the other, while the `with` block lasts.

    One thread at a time reads: the one of gRPC's that sends, as each hand-over between threads costs as much as all
    else that is done here. If that one is kept waiting by a server that does not take its audio, or if there is no
    call, a thread of ours reads on until it is relieved.
    """

    def __init__(self, audio: Iterable[AudioChunk], replay: ReplayBuffer) -> None:
        self._pieces = _pieces_of(audio)
        self._replay = replay
        self._reading = threading.Lock()  # of the one that reads
        self._relief = threading.Event()  # set if the thread of ours is not to read on
        self._is_idle = False
        self.lock = threading.Lock()
        """Held whenever the buffer is changed; not while anything waits."""
        self.call: Future[Any] | None = None
        """The one that is fed."""
        self.failure: Exception | None = None
        """What the audio has raised."""

    def requests(
        self, config: pb.StreamingRecognizeRequest, call: Future[Any]
    ) -> Iterator[pb.StreamingRecognizeRequest]:
        """The messages for a call, until another one is fed."""
        yield config
        while True:
            if self._reading.acquire(blocking=False):
                try:
                    if not self._replay.has_unsent:
                        self._read()
                finally:
                    self._reading.release()
            elif not self._replay.has_unsent:
                self._relieve()
            with self.lock:
                if self.call is not call:
                    return
                if self.failure is not None:
                    break
                self._is_idle = False
                audio, is_last = self._replay.take(), self._replay.is_finished
            if audio:
                yield _wire.audio_request(audio)
            elif is_last:
                return
        call.result().cancel()

    def keep_up(self) -> None:
        """Begins to read in a thread of its own if nothing was read or sent since the last call of this."""
        is_over = self._replay.is_finished or self.failure is not None
        if self._is_idle and not is_over and self._reading.acquire(blocking=False):
            self._relief.clear()
            threading.Thread(target=self._read_on, name="hearken-audio", daemon=True).start()
        self._is_idle = True

    def __enter__(self) -> None:
        _WATCH.add(self)

    def __exit__(self, *_: object) -> None:
        _WATCH.remove(self)
        self._relief.set()

    def _relieve(self) -> None:
        """Waits until the other one that reads does so no more, or for a moment."""
        self._relief.set()
        if self._reading.acquire(timeout=PACE_S):
            self._reading.release()

    def _read_on(self) -> None:
        """Reads until relieved."""
        while not self._relief.is_set() and self._read():
            while not (self._replay.wants_more or self._relief.wait(PACE_S)):
                pass
        self._reading.release()

    def _read(self) -> bool:
        """Whether there was another piece."""
        try:
            audio = next(self._pieces, None)
        except Exception as error:
            self.failure = error
            return False
        with self.lock:
            if audio is None:
                self._replay.finish()
            else:
                self._replay.append(audio)
        return audio is not None


def _pieces_of(audio: Iterable[AudioChunk]) -> Iterator[bytes]:
    for chunk in audio:
        yield chunk_bytes(chunk)


class _Watch:
    """One thread for all streams of this process: sees to it that audio is read while its sender is kept waiting."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._feeds: set[_Feed] = set()
        self._is_running = False

    def add(self, feed: _Feed) -> None:
        """A stream begins."""
        with self._lock:
            self._feeds.add(feed)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="hearken-watch", daemon=True).start()

    def remove(self, feed: _Feed) -> None:
        """A stream is over."""
        with self._lock:
            self._feeds.discard(feed)

    def _run(self) -> None:
        while True:
            time.sleep(PACE_S)
            with self._lock:  # so that a stream that was removed is not begun to be read
                for feed in self._feeds:
                    feed.keep_up()
                self._is_running = bool(self._feeds)
                if not self._is_running:
                    return


_WATCH = _Watch()
