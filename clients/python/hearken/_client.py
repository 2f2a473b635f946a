"""The client without asyncio. All that does not wait is shared with `_aio.py`: options, requests, results, errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import closing
from types import TracebackType
from typing import Any, Self, Unpack

import grpc

from hearken import _wire
from hearken._audio import chunk_bytes
from hearken._connection import DEFAULT_SERVER, Connection, ConnectionOptions, speech_stub
from hearken._errors import error_of
from hearken._exchange import Exchange
from hearken._options import Options, StreamOptions, TranscribeOptions
from hearken._request import Audio, Request, prepare
from hearken._results import Model, Result, Transcript
from hearken.v1 import speech_pb2 as pb


class Client:
    """A connection to a Hearken server; made on first use, and shared by all calls, from any thread.

    with Client("localhost:50051") as client:
        print(client.transcribe("meeting.wav").text)

    server: "host:port". Further keyword arguments: see ConnectionOptions.

    All calls raise the errors of `hearken`'s tree, whose base is HearkenError. Calls that are sent whole (`models`, and
    `transcribe` of a short recording) are tried up to three times if no server answers; streams go on over another
    connection, see Reconnect.
    """

    def __init__(self, server: str = DEFAULT_SERVER, **options: Unpack[ConnectionOptions]) -> None:
        self._connection = Connection(server, **options)
        arguments = self._connection.channel_arguments()
        credentials = self._connection.credentials()
        if credentials is None:
            self._channel = grpc.insecure_channel(self._connection.target, arguments)
        else:
            self._channel = grpc.secure_channel(self._connection.target, credentials, arguments)
        self._stub = speech_stub(self._channel)
        self._closed = threading.Event()

    def transcribe(
        self,
        audio: Audio,
        *,
        timeout_s: float | None = None,
        progress: Callable[[float], None] | None = None,
        **options: Unpack[TranscribeOptions],
    ) -> Transcript:
        """All that is said in the audio. timeout_s: for the whole call; None waits. Options: see TranscribeOptions.

        progress: called with the seconds recognized so far, after each utterance of a recording that is streamed
        because it is long.
        """
        request = prepare(audio, Options(**options, interim_results=False))
        if request.is_short:
            whole = b"".join(chunk_bytes(chunk) for chunk in request.iterable())
            message = _wire.recognize_request(request.config, whole)
            return _wire.transcript_of(self._call(self._stub.Recognize, message, timeout_s))
        exchange, transcript = self._exchange(request, timeout_s), _wire.TranscriptBuilder()
        for response in exchange.responses():
            transcript.accept(response)
            if progress is not None:
                progress(response.clock.recognized_s)
        return transcript.finish(exchange.audio_s)

    def stream(
        self, audio: Audio, *, timeout_s: float | None = None, **options: Unpack[StreamOptions]
    ) -> Generator[Result, None, None]:
        """Results while the audio is sent. timeout_s: for the whole call; None: no limit. Options: see StreamOptions.

        The audio is iterated over in another thread, as fast as the server takes it, and not slower than it is spoken
        as long as there is room for it (`Reconnect.buffer_bytes`). It begins with the first `next()`. To end a stream
        early, end its audio: the remaining final results still come. To abandon it, close() the returned generator.
        What the audio raises while it is iterated over is raised here.
        """
        request = prepare(audio, Options(**options))
        return self._results(request, timeout_s)

    def models(self, *, timeout_s: float | None = 10.0) -> tuple[Model, ...]:
        """The models that the server offers, its default first."""
        return _wire.models_of(self._call(self._stub.ListModels, pb.ListModelsRequest(), timeout_s))

    def server_version(self, *, timeout_s: float | None = 10.0) -> str:
        """For example "0.1.0"; to be compared with `hearken.__version__`. "" if the server is too old to say."""
        response: pb.ListModelsResponse = self._call(self._stub.ListModels, pb.ListModelsRequest(), timeout_s)
        return response.server_version

    def close(self) -> None:
        """Closes the connection; streams that are still running raise ConnectionFailed."""
        self._closed.set()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client {self._connection.server}{' closed' if self._closed.is_set() else ''}>"

    def _call(self, method: Any, message: Any, timeout_s: float | None) -> Any:
        self._check_open()
        try:
            return method(message, timeout=timeout_s, metadata=self._connection.call_metadata())
        except grpc.RpcError as error:
            raise error_of(error, self._connection.server) from error

    def _results(self, request: Request, timeout_s: float | None) -> Generator[Result, None, None]:
        with closing(self._exchange(request, timeout_s).responses()) as responses:
            for response in responses:
                yield from request.results_of(response)

    def _exchange(self, request: Request, timeout_s: float | None) -> Exchange:
        self._check_open()
        return Exchange(self._stub, self._connection, request, timeout_s, self._closed)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise RuntimeError("this client is closed; make a new one")
