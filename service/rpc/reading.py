"""Messages that are no messages: bytes that protobuf cannot read, such as texts that are not UTF-8.

gRPC itself would end such a call with INTERNAL, as if the server had failed. Here it is the caller's InvalidRequest,
for every service that recognizes speech. A single request that does not come at all is given up; gRPC itself would wait
for it as long as the connection lasts. Streams watch over their own pauses. Calls that are reset at once never begin.
"""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from service.errors import IdleTooLong, InvalidRequest, ServiceError
from service.metrics import Metrics
from service.rpc.errors import status_of_errors

_OTHERS = (health.SERVICE_NAME, reflection.SERVICE_NAME)
_RESET_WITHIN_S = 0.001
"""Who resets his call at once has done so by then. gRPC never frees what it has begun to receive or to send for a call
that is reset meanwhile, 260 bytes each (https://github.com/grpc/grpc/issues/43360), so nothing is begun before.
"""

_ADVICE = "is not a message of this call: it is damaged, or a text in it is not UTF-8"


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Stands for a message until somebody wants it."""


class Reading(grpc.aio.ServerInterceptor):
    """Gives the servicers readable messages only; a call whose message is not ends with INVALID_ARGUMENT."""

    def __init__(self, metrics: Metrics, *, idle_timeout_s: float) -> None:
        self._metrics = metrics
        self._idle_timeout_s = idle_timeout_s

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Called by gRPC for each request, before a message is read."""
        await asyncio.sleep(_RESET_WITHIN_S)
        handler: Any = await continuation(handler_call_details)
        service = handler_call_details.method.strip("/").partition("/")[0]
        if handler is None or handler.request_deserializer is None or service in _OTHERS:
            return handler  # type: ignore[no-any-return]
        serializers = _lenient(handler.request_deserializer), handler.response_serializer
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(_with_readable_stream(handler.stream_stream), *serializers)
        if handler.unary_unary is not None:
            # As a stream of one message, which can be waited for with a limit.
            return grpc.stream_unary_rpc_method_handler(self._with_readable(handler.unary_unary), *serializers)
        return handler  # type: ignore[no-any-return]

    def _with_readable(self, method: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        async def call(requests: AsyncIterator[Any], context: Any) -> Any:
            try:
                request = await self._only(requests)
            except ServiceError as error:
                async with status_of_errors(context, self._metrics, secrets.token_hex(8)):
                    raise error
            return await method(request, context)

        return call

    async def _only(self, requests: AsyncIterator[Any]) -> Any:
        """Raises InvalidRequest and IdleTooLong."""
        try:
            async with asyncio.timeout(self._idle_timeout_s):
                request = await anext(aiter(requests), None)
        except TimeoutError:
            raise IdleTooLong(self._idle_timeout_s) from None
        if request is None:
            raise InvalidRequest("request", "is missing; send one message")
        if isinstance(request, _Unreadable):
            raise InvalidRequest("request", _ADVICE)
        return request


def _lenient(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return _Unreadable()

    return read


def _with_readable_stream(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    if inspect.isasyncgenfunction(method):

        async def generate(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            async for response in method(_readable(requests), context):
                yield response

        return generate

    async def call(requests: AsyncIterator[Any], context: Any) -> Any:
        return await method(_readable(requests), context)

    return call


async def _readable(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Raises InvalidRequest where a servicer asks for a message that is none."""
    async for request in requests:
        if isinstance(request, _Unreadable):
            raise InvalidRequest("request", _ADVICE)
        yield request
