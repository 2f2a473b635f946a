"""Which error gives which gRPC status: one table, and the one place that applies it.

What the errors mean is left to service/errors.py and models/errors.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from models.errors import DecodingFailed, InvalidAudio, InvalidOptions, OutOfMemory
from service.errors import (
    Draining,
    EngineStopped,
    IdleTooLong,
    InvalidRequest,
    PermissionDenied,
    QuotaExhausted,
    Refused,
    ServerBusy,
    ServerFull,
    ShuttingDown,
    StillLoading,
    StreamTooLong,
    TooManyOperations,
    TooManyStreams,
    TooSlow,
    Unauthenticated,
    UnknownOperation,
)
from service.logs import STREAM_ID
from service.metrics import Metrics
from service.version import server_version

logger = logging.getLogger(__name__)

STATUS_OF: dict[type[Exception], grpc.StatusCode] = {
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    InvalidAudio: grpc.StatusCode.INVALID_ARGUMENT,
    InvalidOptions: grpc.StatusCode.INVALID_ARGUMENT,
    # Not UNAVAILABLE: clients retry that one by themselves, with audio that is half consumed, on a server that is full.
    ServerBusy: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ServerFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    TooManyOperations: grpc.StatusCode.RESOURCE_EXHAUSTED,
    TooManyStreams: grpc.StatusCode.RESOURCE_EXHAUSTED,
    QuotaExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    # Not DEADLINE_EXCEEDED: client libraries make that one themselves, of the caller's own deadline. ABORTED says what
    # is to be done: begin again one level higher, with a new stream.
    IdleTooLong: grpc.StatusCode.ABORTED,
    TooSlow: grpc.StatusCode.ABORTED,
    StreamTooLong: grpc.StatusCode.ABORTED,
    UnknownOperation: grpc.StatusCode.NOT_FOUND,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    StillLoading: grpc.StatusCode.UNAVAILABLE,
    ShuttingDown: grpc.StatusCode.UNAVAILABLE,
    Draining: grpc.StatusCode.UNAVAILABLE,
    OutOfMemory: grpc.StatusCode.RESOURCE_EXHAUSTED,
    DecodingFailed: grpc.StatusCode.INTERNAL,
    EngineStopped: grpc.StatusCode.INTERNAL,
}

STREAM_ID_KEY = "hearken-stream-id"
VERSION_KEY = "hearken-version"
"""Of metadata."""

_DETAILS_KEY = "grpc-status-details-bin"
_QUOTING = InvalidRequest, InvalidAudio, InvalidOptions
"""Their texts may quote what the caller sent, phrase hints for example, which is not for the log."""

Said = tuple[grpc.StatusCode, str]
"""What a caller is told: a status and a sentence."""


def said_of(error: Exception) -> Said | None:
    """What hearken.v1 says about an error; None about one that was not foreseen."""
    codes = (STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)
    code = next(codes, None)
    return None if code is None else (code, str(error))


@asynccontextmanager
async def status_of_errors(
    context: grpc.aio.ServicerContext[Any, Any],
    metrics: Metrics,
    stream_id: str,
    say: Callable[[Exception], Said | None] = said_of,
) -> AsyncIterator[None]:
    """Ends the request with the status of the error that leaves the block; one that was not foreseen is INTERNAL.

    say: what the API of the request says about an error. The caller gets the stream's id and the server's version
    in the metadata; lines that are logged in the block carry the id.
    """
    STREAM_ID.set(stream_id)
    try:
        await context.send_initial_metadata(((STREAM_ID_KEY, stream_id), (VERSION_KEY, server_version())))
        yield
    except Exception as error:
        await end(context, metrics, stream_id, error, say)
    except asyncio.CancelledError:
        logger.info("stream %s: cancelled", stream_id)
        metrics.errors.labels(grpc.StatusCode.CANCELLED.name).inc()
        raise


async def end(
    context: grpc.aio.ServicerContext[Any, Any],
    metrics: Metrics,
    stream_id: str,
    error: Exception,
    say: Callable[[Exception], Said | None] = said_of,
) -> None:
    """Ends the request with the status of the error, and counts it."""
    code, text = told(error, stream_id, say)
    if isinstance(error, Refused):
        metrics.streams_refused.labels(error.reason).inc()
    metrics.errors.labels(code.name).inc()
    await context.abort(code, text, _retry_hint(error, code, text))


def told(error: Exception, stream_id: str, say: Callable[[Exception], Said | None] = said_of) -> Said:
    """What the caller is told about an error; the log is told, too."""
    said = say(error)
    if said is None:
        logger.error("stream %s: failed", stream_id, exc_info=error)
        text = f"an error in the server ended this request; its log says more about stream {stream_id}"
        return grpc.StatusCode.INTERNAL, text
    code, text = said
    if isinstance(error, _QUOTING):
        logger.info("stream %s: %s, %s", stream_id, code.name, _named(error))
        logger.debug("stream %s: the caller is told: %s", stream_id, text)
    else:
        logger.info("stream %s: %s, %s", stream_id, code.name, text)
    return code, text


def _named(error: Exception) -> str:
    field = f" {error.field}" if isinstance(error, InvalidRequest) else ""
    return f"{type(error).__name__}{field} (the text, at the level debug, may quote the caller)"


def _retry_hint(error: Exception, code: grpc.StatusCode, text: str) -> tuple[tuple[str, bytes], ...]:
    """google.rpc.RetryInfo, as trailing metadata in gRPC's richer error model."""
    if not isinstance(error, Refused) or error.retry_after_s is None:
        return ()
    seconds = int(error.retry_after_s)
    delay = Duration(seconds=seconds, nanos=int((error.retry_after_s - seconds) * 1e9))
    detail = AnyMessage()
    detail.Pack(RetryInfo(retry_delay=delay))
    status = Status(code=code.value[0], message=text, details=[detail])
    return ((_DETAILS_KEY, status.SerializeToString()),)
