"""The three calls of hearken.v1.Speech: convert, delegate, send. Nothing is decided here.

What may be asked for is left to convert.py, the recognition to service/sessions.py, the status of errors to errors.py.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from hearken.v1 import speech_pb2 as pb
from hearken.v1 import speech_pb2_grpc
from service.errors import IdleTooLong, InvalidRequest, StillLoading
from service.metrics import Metrics
from service.rpc import convert
from service.rpc.errors import status_of_errors
from service.rpc.interceptors import caller_of
from service.sessions import Sessions
from service.settings import Settings


class Speech(speech_pb2_grpc.SpeechServicer):
    """hearken.v1.Speech. Until `begin`, every call is told that the model is still loading."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._begun: Sessions[Any] | None = None

    def begin(self, sessions: Sessions[Any]) -> None:
        """The model is loaded."""
        self._begun = sessions

    @property
    def _sessions(self) -> Sessions[Any]:
        if self._begun is None:
            raise StillLoading
        return self._begun

    async def StreamingRecognize(
        self,
        request_iterator: AsyncIterator[pb.StreamingRecognizeRequest],
        context: grpc.aio.ServicerContext[pb.StreamingRecognizeRequest, pb.StreamingRecognizeResponse],
    ) -> None:
        """Recognizes audio while it is sent."""
        stream_id = _new_id()
        async with status_of_errors(context, self._metrics, stream_id):
            sessions = self._sessions
            requests = _punctual(request_iterator, self._settings.idle_timeout_s)
            first = await anext(requests, None)
            if first is None:
                raise InvalidRequest("config", "the stream ended without it; send the config in the first message")
            audio, options = convert.streaming_options(
                convert.config_of(first), sessions.recognizers, default_latency_ms=self._settings.default_latency_ms
            )
            with sessions.open(
                audio, options, caller=caller_of(context), stream_id=stream_id, method="StreamingRecognize"
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
        async with status_of_errors(context, self._metrics, stream_id):
            sessions = self._sessions
            audio, options = convert.recording_options(request, sessions.recognizers)
            with sessions.open(
                audio,
                options,
                caller=caller_of(context),
                stream_id=stream_id,
                method="Recognize",
                max_audio_s=self._settings.max_recording_s,
            ) as session:
                updates = [update async for update in session.recognize(_only(request.audio))]
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
        async with status_of_errors(context, self._metrics, _new_id()):
            convert.check_list_models(request)
            return convert.models_response(
                self._sessions.recognizers, default_latency_ms=self._settings.default_latency_ms
            )

    async def _audio_pieces(self, requests: AsyncIterator[pb.StreamingRecognizeRequest]) -> AsyncIterator[bytes]:
        async for request in requests:
            yield convert.audio_of(request, max_bytes=self._settings.max_message_bytes)


async def _punctual(
    requests: AsyncIterator[pb.StreamingRecognizeRequest], idle_timeout_s: float
) -> AsyncIterator[pb.StreamingRecognizeRequest]:
    """The requests; IdleTooLong when one does not come in time. The time during which nobody asks for it is free."""
    iterator = aiter(requests)
    while True:
        try:
            async with asyncio.timeout(idle_timeout_s):
                request = await anext(iterator)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise IdleTooLong(idle_timeout_s) from None
        yield request


async def _only(audio: bytes) -> AsyncIterator[bytes]:
    yield audio


def _new_id() -> str:
    return secrets.token_hex(8)
