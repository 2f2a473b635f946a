"""The client without asyncio. All that does not wait is shared with `_aio.py`: options, requests, results, errors."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import Future
from contextlib import closing
from types import TracebackType
from typing import Any, Self, Unpack

import grpc

from hearken import _wire
from hearken._audio import chunk_bytes, messages
from hearken._connection import DEFAULT_SERVER, Connection, ConnectionOptions, speech_stub
from hearken._errors import error_of
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
    `transcribe` of a short recording) are tried up to three times if no server answers; streams are never tried again,
    because their audio may exist only once.
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
        self._is_closed = False

    def transcribe(
        self, audio: Audio, *, timeout_s: float | None = None, **options: Unpack[TranscribeOptions]
    ) -> Transcript:
        """All that is said in the audio. timeout_s: for the whole call; None waits. Options: see TranscribeOptions."""
        request = prepare(audio, Options(**options, interim_results=False))
        if request.is_short:
            whole = b"".join(chunk_bytes(chunk) for chunk in request.iterable())
            message = _wire.recognize_request(request.config, whole)
            return _wire.transcript_of(self._call(self._stub.Recognize, message, timeout_s))
        transcript = _wire.TranscriptBuilder()
        for response in self._exchange(request, timeout_s):
            transcript.accept(response)
        return transcript.finish()

    def stream(
        self, audio: Audio, *, timeout_s: float | None = None, **options: Unpack[StreamOptions]
    ) -> Generator[Result, None, None]:
        """Results while the audio is sent. timeout_s: for the whole call; None: no limit. Options: see StreamOptions.

        The audio is iterated over in another thread, and only as fast as the server takes it. It begins with the first
        `next()`. To end a stream early, end its audio: the remaining final results still come. To abandon it, close()
        the returned generator. What the audio raises while it is iterated over is raised here.
        """
        request = prepare(audio, Options(**options))
        return self._results(request, timeout_s)

    def models(self, *, timeout_s: float | None = 10.0) -> tuple[Model, ...]:
        """The models that the server offers, its default first."""
        return _wire.models_of(self._call(self._stub.ListModels, pb.ListModelsRequest(), timeout_s))

    def close(self) -> None:
        """Closes the connection; streams that are still running raise ConnectionFailed."""
        self._is_closed = True
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client {self._connection.server}{' closed' if self._is_closed else ''}>"

    def _call(self, method: Any, message: Any, timeout_s: float | None) -> Any:
        self._check_open()
        try:
            return method(message, timeout=timeout_s, metadata=self._connection.call_metadata())
        except grpc.RpcError as error:
            raise error_of(error, self._connection.server) from error

    def _results(self, request: Request, timeout_s: float | None) -> Generator[Result, None, None]:
        with closing(self._exchange(request, timeout_s)) as responses:
            for response in responses:
                yield from _wire.results_of(response)

    def _exchange(
        self, request: Request, timeout_s: float | None
    ) -> Generator[pb.StreamingRecognizeResponse, None, None]:
        self._check_open()
        outgoing = _Outgoing(request)
        call = self._stub.StreamingRecognize(
            iter(outgoing), timeout=timeout_s, metadata=self._connection.call_metadata()
        )
        outgoing.call.set_result(call)
        failure: Exception | None = None
        try:
            yield from call
        except grpc.RpcError as error:
            failure = outgoing.failure
            if failure is None:
                raise error_of(error, self._connection.server) from error
        finally:
            call.cancel()
        if failure is not None:
            raise failure

    def _check_open(self) -> None:
        if self._is_closed:
            raise RuntimeError("this client is closed; make a new one")


class _Outgoing:
    """The messages of a stream; gRPC takes them one by one in a thread of its own, as fast as the server does."""

    def __init__(self, request: Request) -> None:
        self._config = request.config
        self._audio = request.iterable()
        self.call: Future[Any] = Future()
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[pb.StreamingRecognizeRequest]:
        try:
            yield self._config
            for chunk in self._audio:
                for audio in messages(chunk):
                    yield _wire.audio_request(audio)
        except Exception as error:
            # Raised into gRPC's thread it would only be logged; so it is kept for the caller's thread.
            self.failure = error
            self.call.result().cancel()
