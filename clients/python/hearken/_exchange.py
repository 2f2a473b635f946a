"""One stream without asyncio: audio out, responses in, over as many connections as it takes.

Three threads meet here: one of ours reads the audio, one of gRPC's sends it, and the caller's receives.
"""

from __future__ import annotations

import threading
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
"""How often a reader of audio that is ahead of the server looks whether it is time to read on."""


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
    """Reads the audio in a thread, while the `with` block lasts, and sends it to one call after the other."""

    def __init__(self, audio: Iterable[AudioChunk], replay: ReplayBuffer) -> None:
        self._audio = audio
        self._replay = replay
        self._call: Future[Any] | None = None
        self._is_left = False
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

    def _requests(
        self, config: pb.StreamingRecognizeRequest, call: Future[Any]
    ) -> Iterator[pb.StreamingRecognizeRequest]:
        yield config
        while True:
            with self.changed:
                self.changed.wait_for(
                    lambda: (
                        self._call is not call or self.failure or self._replay.has_unsent or self._replay.is_finished
                    )
                )
                if self._call is not call:
                    return
                if self.failure is not None:
                    call.result().cancel()
                    return
                if not self._replay.has_unsent:
                    return
                audio = self._replay.take()
                self.changed.notify_all()
            yield _wire.audio_request(audio)

    def __enter__(self) -> None:
        threading.Thread(target=self._read, name="hearken-audio", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        with self.changed:
            self._is_left = True
            self.changed.notify_all()

    def _read(self) -> None:
        try:
            for chunk in self._audio:
                audio = chunk_bytes(chunk)
                with self.changed:
                    while not (self._is_left or self._replay.wants_more):
                        self.changed.wait(PACE_S)
                    if self._is_left:
                        return
                    self._replay.append(audio)
                    self.changed.notify_all()
            with self.changed:
                self._replay.finish()
                self.changed.notify_all()
        except Exception as error:
            with self.changed:
                self.failure = error
                self.changed.notify_all()
