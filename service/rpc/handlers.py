"""gRPC handlers from methods, for services whose official packages bring no servicer to inherit from."""

from __future__ import annotations

from typing import Any

import grpc


def unary(method: Any, request: Any) -> grpc.RpcMethodHandler[Any, Any]:
    """One message in, one out. request: the class of the message."""
    return grpc.unary_unary_rpc_method_handler(method, request.FromString, _serialized)


def streaming(method: Any, request: Any) -> grpc.RpcMethodHandler[Any, Any]:
    """Messages in, messages out."""
    return grpc.stream_stream_rpc_method_handler(method, request.FromString, _serialized)


def _serialized(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data
