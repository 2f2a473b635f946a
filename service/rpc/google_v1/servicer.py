"""The calls of google.cloud.speech.v1.Speech and google.longrunning.Operations: convert, delegate, send.

What may be asked for is left to convert.py, what is answered to responses.py, the recognition to service/sessions.py.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from functools import partial
from typing import Any

import grpc

from service.rpc.calls import Calls, only
from service.rpc.errors import status_of_errors, told
from service.rpc.google_v1 import convert, messages
from service.rpc.google_v1.errors import said_by_google
from service.rpc.google_v1.operations import Operations, Progress, operation
from service.rpc.google_v1.responses import Writer
from service.rpc.handlers import streaming, unary
from service.rpc.interceptors import caller_of
from service.session import Session

Context = grpc.aio.ServicerContext[Any, Any]

_PIECE_BYTES = 64 * 1024
"""An operation's progress is known so exactly."""


class GoogleSpeech:
    """Both services; `close` ends the operations that still run."""

    services: tuple[str, ...] = (messages.SPEECH, messages.OPERATIONS)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._operations = Operations(calls.settings.max_operations)

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """What a server needs to serve them. The official package has no servicer to inherit from."""
        messages.describe_service()
        speech = {
            "Recognize": unary(self.recognize, messages.RecognizeRequest),
            "LongRunningRecognize": unary(self.long_running_recognize, messages.LongRunningRecognizeRequest),
            "StreamingRecognize": streaming(self.streaming_recognize, messages.StreamingRecognizeRequest),
        }
        operations = {"GetOperation": unary(self.get_operation, messages.GetOperationRequest)}
        return (
            grpc.method_handlers_generic_handler(messages.SPEECH, speech),
            grpc.method_handlers_generic_handler(messages.OPERATIONS, operations),
        )

    async def close(self) -> None:
        """Ends the operations that still run."""
        await self._operations.close()

    async def streaming_recognize(self, request_iterator: AsyncIterator[Any], context: Context) -> None:
        """Recognizes audio while it is sent."""
        request_id, stream_id = _new_id()
        async with status_of_errors(context, self._calls.metrics, stream_id, said_by_google):
            recognizers = self._calls.sessions.recognizers
            requests = self._calls.punctual(request_iterator)
            config = convert.config_of(await anext(requests, None))
            audio, options = convert.streaming_options(
                config, recognizers, default_latency_ms=self._calls.settings.default_latency_ms
            )
            with self._calls.open_stream(
                audio, options, context, stream_id=stream_id, method="google.StreamingRecognize"
            ) as session:
                writer = Writer.of(
                    config.config,
                    language=session.language,
                    request_id=request_id,
                    is_single_utterance=config.single_utterance,
                )
                async with aclosing(session.recognize(self._audio_pieces(requests))) as updates:
                    async for update in updates:
                        for response in writer.streamed(update):
                            await context.write(response)

    async def recognize(self, request: Any, context: Context) -> Any:
        """Recognizes one recording that is sent whole."""
        request_id, stream_id = _new_id()
        async with status_of_errors(context, self._calls.metrics, stream_id, said_by_google):
            audio, options = convert.recording_options(request, self._calls.sessions.recognizers)
            with self._calls.open_recording(
                audio, options, context, stream_id=stream_id, method="google.Recognize"
            ) as session:
                writer = Writer.of(request.config, language=session.language, request_id=request_id)
                updates = [update async for update in session.recognize(only(request.audio.content))]
                return writer.recorded(result for update in updates for result in update.results)

    async def long_running_recognize(self, request: Any, context: Context) -> Any:
        """Begins to recognize a recording that is sent whole; GetOperation tells how it went."""
        request_id, stream_id = _new_id()
        async with status_of_errors(context, self._calls.metrics, stream_id, said_by_google):
            audio, options = convert.recording_options(request, self._calls.sessions.recognizers)
            with ExitStack() as opened:
                session = opened.enter_context(
                    self._calls.open_stream(
                        audio, options, context, stream_id=stream_id, method="google.LongRunningRecognize"
                    )
                )
                self._operations.make_room()
                writer = Writer.of(request.config, language=session.language, request_id=request_id)
                progress = Progress(secrets.token_hex(16), _owner(context), len(request.audio.content))
                self._operations.start(
                    progress,
                    partial(_recognized, session, request.audio.content, progress, writer, opened.pop_all()),
                    partial(told, stream_id=stream_id, say=said_by_google),
                )
            return operation(progress)

    async def get_operation(self, request: Any, context: Context) -> Any:
        """How far an operation of LongRunningRecognize is."""
        async with status_of_errors(context, self._calls.metrics, _new_id()[1], said_by_google):
            return operation(self._operations.find(request.name, _owner(context)))

    async def _audio_pieces(self, requests: AsyncIterator[Any]) -> AsyncIterator[bytes]:
        async for request in requests:
            yield convert.audio_of(request, max_bytes=self._calls.settings.max_message_bytes)


async def _recognized(
    session: Session[Any], audio: bytes, progress: Progress, writer: Writer, opened: ExitStack
) -> Any:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(audio), _PIECE_BYTES):
            piece = audio[at : at + _PIECE_BYTES]
            yield piece
            progress.move_on(len(piece))

    with opened:
        results = [result async for update in session.recognize(pieces()) for result in update.results]
    return writer.long_running(results)


def _owner(context: Context) -> str | None:
    token = caller_of(context).token
    return None if token is None else token.name


def _new_id() -> tuple[int, str]:
    """An id for the caller, who gets a number, and the same one for the log."""
    number = secrets.randbits(63)
    return number, str(number)
