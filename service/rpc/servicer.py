"""The three calls of hearken.v1.Speech: convert, delegate, send. Nothing is decided here.

What may be asked for is left to convert.py, the recognition to service/sessions.py, the status of errors to errors.py.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc

from hearken.v1 import speech_pb2 as pb
from hearken.v1 import speech_pb2_grpc
from service.errors import InvalidRequest
from service.rpc import convert
from service.rpc.calls import Calls, only
from service.rpc.errors import status_of_errors


class Speech(speech_pb2_grpc.SpeechServicer):
    """hearken.v1.Speech."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._settings = calls.settings

    async def StreamingRecognize(
        self,
        request_iterator: AsyncIterator[pb.StreamingRecognizeRequest],
        context: grpc.aio.ServicerContext[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse],
    ) -> None:
        """Recognizes audio while it is sent."""
        stream_id = _new_id()
        async with status_of_errors(context, self._calls.metrics, stream_id):
            sessions = self._calls.sessions
            requests = self._calls.punctual(request_iterator)
            first = await anext(requests, None)
            if first is None:
                raise InvalidRequest("config", "the stream ended without it; send the config in the first message")
            audio, options = convert.streaming_options(
                convert.config_of(first), sessions.recognizers, default_latency_ms=self._settings.default_latency_ms
            )
            with self._calls.open_stream(
                audio, options, context, stream_id=stream_id, method="StreamingRecognize"
            ) as session:
                await context.write(convert.admission(model=options.model, stream_id=stream_id))
                pieces = self._audio_pieces(requests)
                async with aclosing(session.recognize(pieces)) as updates:
                    async for update in updates:
                        await context.write(convert.response(update, language=session.language))

    async def Recognize(
        self,
        request: pb.RecognizeRequest,
        context: grpc.aio.ServicerContext[pb.RecognizeRequest, pb.RecognizeResponse],
    ) -> pb.RecognizeResponse:
        """Recognizes one recording that is sent whole."""
        stream_id = _new_id()
        async with status_of_errors(context, self._calls.metrics, stream_id):
            audio, options = convert.recording_options(request, self._calls.sessions.recognizers)
            with self._calls.open_recording(
                audio, options, context, stream_id=stream_id, method="Recognize"
            ) as session:
                updates = [update async for update in session.recognize(only(request.audio))]
                return convert.recording_response(
                    (result for update in updates for result in update.results),
                    audio_s=session.received_s,
                    model=options.model,
                    language=session.language,
                )

    async def ListModels(
        self,
        request: pb.ListModelsRequest,
        context: grpc.aio.ServicerContext[pb.ListModelsRequest, pb.ListModelsResponse],
    ) -> pb.ListModelsResponse:
        """The models that this server offers."""
        async with status_of_errors(context, self._calls.metrics, _new_id()):
            convert.check_list_models(request)
            return convert.models_response(
                self._calls.sessions.recognizers, default_latency_ms=self._settings.default_latency_ms
            )

    async def _audio_pieces(self, requests: AsyncIterator[pb.StreamingRecognizeRequest]) -> AsyncIterator[bytes]:
        async for request in requests:
            yield convert.audio_of(request, max_bytes=self._settings.max_message_bytes)


def _new_id() -> str:
    return secrets.token_hex(8)
