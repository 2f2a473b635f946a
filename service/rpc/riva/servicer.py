"""The three calls of nvidia.riva.asr.RivaSpeechRecognition: convert, delegate, send.

What may be asked for is left to convert.py, what is answered to responses.py, the recognition to service/sessions.py.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from service.rpc.calls import Calls, only
from service.rpc.errors import status_of_errors
from service.rpc.handlers import streaming, unary
from service.rpc.riva import convert, messages
from service.rpc.riva.responses import Writer, described

Context = grpc.aio.ServicerContext[Any, Any]


class RivaSpeech:
    """The service."""

    services: tuple[str, ...] = (messages.RIVA,)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._latency_ms = calls.settings.default_latency_ms

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """What a server needs to serve it."""
        methods = {
            "Recognize": unary(self.recognize, messages.RecognizeRequest),
            "StreamingRecognize": streaming(self.streaming_recognize, messages.StreamingRecognizeRequest),
            "GetRivaSpeechRecognitionConfig": unary(self.get_config, messages.ConfigRequest),
        }
        return (grpc.method_handlers_generic_handler(messages.RIVA, methods),)

    async def close(self) -> None:
        """Nothing runs in the background."""

    async def streaming_recognize(self, request_iterator: AsyncIterator[Any], context: Context) -> None:
        """Recognizes audio while it is sent."""
        stream_id = _new_id()
        async with status_of_errors(context, self._calls.metrics, stream_id):
            recognizers = self._calls.sessions.recognizers
            requests = self._calls.punctual(request_iterator)
            first = await anext(requests, None)
            config = convert.config_of(first)
            audio, options = convert.streaming_options(config, recognizers, default_latency_ms=self._latency_ms)
            with self._calls.open_stream(
                audio, options, context, stream_id=stream_id, method="riva.StreamingRecognize"
            ) as session:
                writer = Writer(_id_of(first), session.language)
                async with aclosing(session.recognize(self._audio_pieces(requests))) as updates:
                    async for update in updates:
                        for response in writer.streamed(update):
                            await context.write(response)

    async def recognize(self, request: Any, context: Context) -> Any:
        """Recognizes one recording that is sent whole."""
        stream_id = _new_id()
        async with status_of_errors(context, self._calls.metrics, stream_id):
            audio, options = convert.recording_options(
                request, self._calls.sessions.recognizers, default_latency_ms=self._latency_ms
            )
            with self._calls.open_recording(
                audio, options, context, stream_id=stream_id, method="riva.Recognize"
            ) as session:
                updates = [update async for update in session.recognize(only(request.audio))]
                results = (result for update in updates for result in update.results)
                return Writer(_id_of(request), session.language).recorded(results, session.received_s)

    async def get_config(self, request: Any, context: Context) -> Any:
        """The models that this server offers."""
        async with status_of_errors(context, self._calls.metrics, _new_id()):
            return described(convert.models_wanted(request, self._calls.sessions.recognizers))

    async def _audio_pieces(self, requests: AsyncIterator[Any]) -> AsyncIterator[bytes]:
        async for request in requests:
            yield convert.audio_of(request, max_bytes=self._calls.settings.max_message_bytes)


def _id_of(request: Any) -> Any:
    return request.id if request.HasField("id") else None


def _new_id() -> str:
    return secrets.token_hex(8)
