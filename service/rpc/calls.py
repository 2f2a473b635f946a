"""What the calls of every API have in common: the sessions once there are any, punctual messages, ids.

What a caller asks for and reads is left to each API's converter, the status of errors to errors.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc

from models.types import AudioFormat, RecognitionOptions
from service.errors import IdleTooLong, StillLoading
from service.metrics import Metrics
from service.rpc.interceptors import caller_of
from service.session import Session
from service.sessions import Sessions
from service.settings import Settings

RequestT = TypeVar("RequestT")


class Calls:
    """Shared by the servicers of all APIs. Until `begin`, every call is told that the model is still loading."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self._begun: Sessions[Any] | None = None

    def begin(self, sessions: Sessions[Any]) -> None:
        """The model is loaded."""
        self._begun = sessions

    @property
    def sessions(self) -> Sessions[Any]:
        """Raises StillLoading."""
        if self._begun is None:
            raise StillLoading
        return self._begun

    @contextmanager
    def open_stream(
        self,
        audio: AudioFormat,
        options: RecognitionOptions,
        context: grpc.aio.ServicerContext[Any, Any],
        *,
        stream_id: str,
        method: str,
    ) -> Iterator[Session[Any]]:
        """A session for audio that comes in messages. Raises as Sessions.open does."""
        caller = caller_of(context)
        with self.sessions.open(audio, options, caller=caller, stream_id=stream_id, method=method) as session:
            yield session

    @contextmanager
    def open_recording(
        self,
        audio: AudioFormat,
        options: RecognitionOptions,
        context: grpc.aio.ServicerContext[Any, Any],
        *,
        stream_id: str,
        method: str,
    ) -> Iterator[Session[Any]]:
        """A session for a recording that is answered at once, no longer than MAX_RECORDING_S."""
        with self.sessions.open(
            audio,
            options,
            caller=caller_of(context),
            stream_id=stream_id,
            method=method,
            max_audio_s=self.settings.max_recording_s,
        ) as session:
            yield session

    async def punctual(self, requests: AsyncIterator[RequestT]) -> AsyncGenerator[RequestT, None]:
        """The requests; IdleTooLong when one does not come in time. The time when nobody asks for it is free."""
        idle_timeout_s = self.settings.idle_timeout_s
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


async def only(audio: bytes) -> AsyncIterator[bytes]:
    """A recording as the only piece of its stream."""
    yield audio
