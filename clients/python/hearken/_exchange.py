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
                    with self._feed.changed:
                        delay_s = self._resumption.delay_s(error)
                        if self._resumption.is_complete:
                            return
                    if self._closed.wait(delay_s):
                        raise

    def _attempt(self) -> Generator[pb.StreamingRecognizeResponse, None, None]:
        sender: Future[Any] = Future()
        with self._feed.changed:
            timeout_s = self._resumption.begin()
            requests = self._feed.requests(self._config, sender)
        call = self._stub.StreamingRecognize(requests, timeout=timeout_s, metadata=self._connection.call_metadata())
        sender.set_result(call)
        try:
            for response in call:
                with self._feed.changed:
                    self._resumption.accept(response)
                yield response
        except grpc.RpcError as error:
            raise error_of(error, self._connection.server) from error
        finally:
            call.cancel()
            self._feed.stop_sending()


class _Feed:
    """Reads the audio of one stream and sends it to one call after the other, while the `with` block lasts.

    One thread at a time reads: the one of gRPC's that sends, as each hand-over between threads costs as much as all
    else that is done here. If that one is kept waiting by a server that does not take its audio, or if there is no
    call, a thread of ours reads on until it is relieved.
    """

    def __init__(self, audio: Iterable[AudioChunk], replay: ReplayBuffer) -> None:
        self._audio = audio
        self._chunks: Iterator[AudioChunk] | None = None
        self._replay = replay
        self._call: Future[Any] | None = None
        self._is_left = False
        self._is_reading = False
        self._is_relieved = False
        self._idle_since_s = time.monotonic()
        self.changed = threading.Condition()
        """Held whenever the buffer is touched."""
        self.failure: Exception | None = None
        """What the audio has raised."""

    def requests(self, config: pb.StreamingRecognizeRequest, call: Future[Any]) -> Iterator[Any]:
        """The messages for a call, which is the one to be fed from now on."""
        self._call = call
        return self._requests(config, call)

    def stop_sending(self) -> None:
        """The call is over."""
        with self.changed:
            self._call = None
            self.changed.notify_all()

    def keep_up(self) -> None:
        """Begins to read in a thread of its own if nobody has read for a while."""
        with self.changed:
            if self._is_reading or self._is_left or self._replay.is_finished or self.failure is not None:
                return
            if time.monotonic() - self._idle_since_s < PACE_S:
                return
            self._is_reading, self._is_relieved = True, False
        threading.Thread(target=self._read, args=(None,), name="hearken-audio", daemon=True).start()

    def __enter__(self) -> None:
        _WATCH.add(self)

    def __exit__(self, *_: object) -> None:
        _WATCH.remove(self)
        with self.changed:
            self._is_left = True
            self.changed.notify_all()

    def _requests(
        self, config: pb.StreamingRecognizeRequest, call: Future[Any]
    ) -> Iterator[pb.StreamingRecognizeRequest]:
        yield config
        while (audio := self._next_audio(call)) is not None:
            yield _wire.audio_request(audio)

    def _next_audio(self, call: Future[Any]) -> bytes | None:
        """What is to be sent next by this call; None: nothing any more."""
        while True:
            with self.changed:
                while self._call is call and self.failure is None and not self._replay.has_unsent and self._is_reading:
                    self._is_relieved = True
                    self.changed.wait()
                if self._call is not call:
                    return None
                if self.failure is not None:
                    call.result().cancel()
                    return None
                if self._replay.has_unsent:
                    self._idle_since_s = time.monotonic()
                    self.changed.notify_all()
                    return self._replay.take()
                if self._replay.is_finished:
                    return None
                self._is_reading, self._is_relieved = True, False
            self._read(call)

    def _read(self, call: Future[Any] | None) -> None:
        """Reads until there is something to send for this call, or another one wants to read, or the end."""
        try:
            while self._read_chunk():
                with self.changed:
                    while not (self._is_left or self._is_relieved or self._is_at_work(call) or self._replay.wants_more):
                        self.changed.wait(PACE_S)
                    if self._is_left or self._is_relieved or self._is_at_work(call):
                        return
        except Exception as error:
            self.failure = error
        finally:
            with self.changed:
                self._is_reading = False
                self._idle_since_s = time.monotonic()
                self.changed.notify_all()

    def _is_at_work(self, call: Future[Any] | None) -> bool:
        return call is not None and self._call is call

    def _read_chunk(self) -> bool:
        """Whether there was more."""
        if self._chunks is None:
            self._chunks = iter(self._audio)
        for chunk in self._chunks:
            audio = chunk_bytes(chunk)
            with self.changed:
                self._replay.append(audio)
                self.changed.notify_all()
            return True
        with self.changed:
            self._replay.finish()
        return False


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
            with self._lock:
                feeds = list(self._feeds)
                self._is_running = bool(feeds)
            if not feeds:
                return
            for feed in feeds:
                feed.keep_up()


_WATCH = _Watch()
