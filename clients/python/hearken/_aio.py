"""The client with asyncio. All that does not wait is shared with `_client.py`: options, requests, results, errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine, Iterable
from functools import cached_property
from types import TracebackType
from typing import Any, Self, Unpack

import grpc
import grpc.aio

from hearken import _wire
from hearken._audio import AudioChunk, chunk_bytes, messages
from hearken._connection import DEFAULT_SERVER, Connection, ConnectionOptions, speech_stub
from hearken._errors import ConnectionFailed, error_of
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
        self._is_closed = False

    async def transcribe(
        self, audio: AsyncAudio, *, timeout_s: float | None = None, **options: Unpack[TranscribeOptions]
    ) -> Transcript:
        """All that is said in the audio. timeout_s: for the whole call; None waits. Options: see TranscribeOptions."""
        request = prepare(audio, Options(**options, interim_results=False))
        if request.is_short:
            whole = b"".join([chunk_bytes(chunk) async for chunk in _chunks(request.audio)])
            message = _wire.recognize_request(request.config, whole)
            return _wire.transcript_of(await self._call(self._stub.Recognize, message, timeout_s))
        transcript = _wire.TranscriptBuilder()
        async for response in self._exchange(request, timeout_s):
            transcript.accept(response)
        return transcript.finish()

    def stream(
        self, audio: AsyncAudio, *, timeout_s: float | None = None, **options: Unpack[StreamOptions]
    ) -> AsyncGenerator[Result, None]:
        """Results while the audio is sent. timeout_s: for the whole call; None: no limit. Options: see StreamOptions.

        The audio is iterated over only as fast as the server takes it; what is not asynchronous (AudioFile, Microphone,
        a generator) in a thread, so that it may wait. To end a stream early, end its audio: the remaining final results
        still come. To abandon it, aclose() the returned generator. What the audio raises while it is iterated over is
        raised here.
        """
        request = prepare(audio, Options(**options))
        return self._results(request, timeout_s)

    async def models(self, *, timeout_s: float | None = 10.0) -> tuple[Model, ...]:
        """The models that the server offers, its default first."""
        return _wire.models_of(await self._call(self._stub.ListModels, pb.ListModelsRequest(), timeout_s))

    async def close(self) -> None:
        """Closes the connection; streams that are still running raise ConnectionFailed."""
        self._is_closed = True
        if "_channel" in self.__dict__:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncClient {self._connection.server}{' closed' if self._is_closed else ''}>"

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
        if self._is_closed:
            raise RuntimeError("this client is closed; make a new one")
        return self._opened_stub

    async def _call(self, method: Any, message: Any, timeout_s: float | None) -> Any:
        try:
            return await method(message, timeout=timeout_s, metadata=self._connection.call_metadata())
        except grpc.RpcError as error:
            raise error_of(error, self._connection.server) from error

    async def _results(self, request: Request, timeout_s: float | None) -> AsyncGenerator[Result, None]:
        responses = self._exchange(request, timeout_s)
        try:
            async for response in responses:
                for result in _wire.results_of(response):
                    yield result
        finally:
            await responses.aclose()

    async def _exchange(
        self, request: Request, timeout_s: float | None
    ) -> AsyncGenerator[pb.StreamingRecognizeResponse, None]:
        call = self._stub.StreamingRecognize(timeout=timeout_s, metadata=self._connection.call_metadata())
        ending = _Ending(call)
        sender = asyncio.create_task(_send(call, request))
        try:
            async for response in call:
                yield response
        except grpc.RpcError as error:
            if ending.code() is not grpc.StatusCode.OK:
                raise error_of(ending, self._connection.server) from error
        except asyncio.CancelledError:
            # Either this task was cancelled, or the call: by the sender, whose audio failed, or by close().
            if sender.done() and not sender.cancelled() and (failure := sender.exception()):
                raise failure from None
            if self._is_closed:
                raise ConnectionFailed("the client was closed during this stream") from None
            raise
        finally:
            call.cancel()
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)


class _Ending:
    """How a call ended, as the server said.

    Kept when it comes, because a write that fails a moment later overwrites it in the call with INTERNAL
    (https://github.com/grpc/grpc/issues/36066).
    """

    def __init__(self, call: Any) -> None:
        self._status: tuple[grpc.StatusCode, str, Any] | None = None
        call.add_done_callback(self._keep)

    def _keep(self, call: Any) -> None:
        if self._status is None:
            self._status = _at_once(call.code()), _at_once(call.details()), _at_once(call.trailing_metadata())

    def code(self) -> grpc.StatusCode:
        return self._status[0] if self._status else grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return self._status[1] if self._status else ""

    def trailing_metadata(self) -> Any:
        return self._status[2] if self._status else None


def _at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The value of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    coroutine.close()
    raise AssertionError("the status of a call that is done was not there")


async def _send(call: Any, request: Request) -> None:
    try:
        await call.write(request.config)
        async for chunk in _chunks(request.audio):
            for audio in messages(chunk):
                await call.write(_wire.audio_request(audio))
        await call.done_writing()
    except (grpc.RpcError, asyncio.InvalidStateError):
        return  # the call is over; the reader of its responses learns why
    except Exception:
        call.cancel()
        raise


_END = object()


async def _chunks(audio: Iterable[AudioChunk] | AsyncIterable[AudioChunk]) -> AsyncIterator[AudioChunk]:
    if isinstance(audio, AsyncIterable):
        async for chunk in audio:
            yield chunk
        return
    iterator = iter(audio)
    while (chunk_or_end := await asyncio.to_thread(next, iterator, _END)) is not _END:
        yield chunk_or_end  # type: ignore[misc]
