"""The client with asyncio. All that does not wait is shared with `_client.py`: options, requests, results, errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import cached_property
from types import TracebackType
from typing import Any, Self, Unpack

import grpc
import grpc.aio

from hearken import _wire
from hearken._aio_exchange import AsyncExchange, chunks_of
from hearken._audio import chunk_bytes
from hearken._connection import DEFAULT_SERVER, Connection, ConnectionOptions, speech_stub
from hearken._errors import error_of
from hearken._options import Options, StreamOptions, TranscribeOptions
from hearken._request import AsyncAudio, Request, prepare
from hearken._results import Model, Result, Transcript
from hearken.v1 import speech_pb2 as pb


class AsyncClient:
    """As Client, for asyncio: the same two verbs, options and errors. Belongs to the event loop of its first call.

    async with AsyncClient("localhost:50051") as client:
        async for result in client.stream(audio): ...
    """

    def __init__(self, server: str = DEFAULT_SERVER, **options: Unpack[ConnectionOptions]) -> None:
        self._connection = Connection(server, **options)
        self._credentials = self._connection.credentials()
        self._closed = asyncio.Event()

    async def transcribe(
        self,
        audio: AsyncAudio,
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
            whole = b"".join([chunk_bytes(chunk) async for chunk in chunks_of(request.audio)])
            message = _wire.recognize_request(request.config, whole)
            return _wire.transcript_of(await self._call(self._stub.Recognize, message, timeout_s))
        exchange, transcript = self._exchange(request, timeout_s), _wire.TranscriptBuilder()
        async for response in exchange.responses():
            transcript.accept(response)
            if progress is not None:
                progress(response.clock.recognized_s)
        return transcript.finish(exchange.audio_s)

    def stream(
        self, audio: AsyncAudio, *, timeout_s: float | None = None, **options: Unpack[StreamOptions]
    ) -> AsyncGenerator[Result, None]:
        """Results while the audio is sent. timeout_s: for the whole call; None: no limit. Options: see StreamOptions.

        The audio is iterated over as fast as the server takes it, and not slower than it is spoken as long as there is
        room for it (`Reconnect.buffer_bytes`); what is not asynchronous (AudioFile, Microphone, a generator) in a
        thread, so that it may wait. To end a stream early, end its audio: the remaining final results still come. To
        abandon it, aclose() the returned generator. What the audio raises while it is iterated over is raised here.
        """
        request = prepare(audio, Options(**options))
        return self._results(request, timeout_s)

    async def models(self, *, timeout_s: float | None = 10.0) -> tuple[Model, ...]:
        """The models that the server offers, its default first."""
        return _wire.models_of(await self._call(self._stub.ListModels, pb.ListModelsRequest(), timeout_s))

    async def server_version(self, *, timeout_s: float | None = 10.0) -> str:
        """For example "0.1.0"; to be compared with `hearken.__version__`. "" if the server is too old to say."""
        response: pb.ListModelsResponse = await self._call(self._stub.ListModels, pb.ListModelsRequest(), timeout_s)
        return response.server_version

    async def close(self) -> None:
        """Closes the connection; streams that are still running raise ConnectionFailed."""
        self._closed.set()
        if "_channel" in self.__dict__:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClient {self._connection.server}{' closed' if self._closed.is_set() else ''}>"

    # Made on first use: a grpc.aio channel belongs to the event loop that runs when it is made.
    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        arguments = self._connection.channel_arguments()
        if self._credentials is None:
            return grpc.aio.insecure_channel(self._connection.target, arguments)
        return grpc.aio.secure_channel(self._connection.target, self._credentials, arguments)

    @cached_property
    def _opened_stub(self) -> Any:
        return speech_stub(self._channel)

    @property
    def _stub(self) -> Any:
        if self._closed.is_set():
            raise RuntimeError("this client is closed; make a new one")
        return self._opened_stub

    async def _call(self, method: Any, message: Any, timeout_s: float | None) -> Any:
        try:
            return await method(message, timeout=timeout_s, metadata=self._connection.call_metadata())
        except grpc.RpcError as error:
            raise error_of(error, self._connection.server) from error

    async def _results(self, request: Request, timeout_s: float | None) -> AsyncGenerator[Result, None]:
        async with aclosing(self._exchange(request, timeout_s).responses()) as responses:
            async for response in responses:
                for result in request.results_of(response):
                    yield result

    def _exchange(self, request: Request, timeout_s: float | None) -> AsyncExchange:
        return AsyncExchange(lambda: self._stub, self._connection, request, timeout_s, self._closed)
