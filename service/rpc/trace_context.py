"""The caller's trace goes on in the server: reads `traceparent` in front of every call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from service.tracing import Tracing


class TraceContext(grpc.aio.ServerInterceptor):
    """gRPC runs interceptors and handler of a request in one task, whose trace this sets."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Called by gRPC for each request, before a message is read."""
        self._tracing.join(tuple(handler_call_details.invocation_metadata or ()))
        return await continuation(handler_call_details)
