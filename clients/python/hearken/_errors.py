"""Everything that this library raises on purpose, and how gRPC's status codes become part of it.

HearkenError
├── AudioError                 audio that cannot be read here, before the server has seen it
├── MissingExtra               a part of this library that was not installed; the text says which
├── ConnectionFailed           no server answers, or the connection was lost
├── AuthenticationFailed       the token or the certificate is missing or not accepted
├── InvalidRequest             what was asked for is refused, by the server or here; asking again would not help
├── ServerBusy                 the server is full; `retry_after_s` when it says when to come back
├── DeadlineExceeded           not finished within `timeout_s`
└── ServerError                the server failed

Besides these, files that do not exist or may not be read raise Python's own OSError.
"""

from __future__ import annotations

import typing

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from hearken._version import VERSION

# gRPC's richer error model: google.rpc.Status, which may hold a google.rpc.RetryInfo.
_DETAILS_KEY = "grpc-status-details-bin"
_STATUS_DETAILS_FIELD = 3
_RETRY_DELAY_FIELD = 1
_VERSION_KEY = "hearken-version"


class HearkenError(Exception):
    """Base of all errors of this library. The text is a sentence which says what to do.

    status: name of the gRPC status code, for example "INVALID_ARGUMENT"; None if no server was involved.
    """

    status: str | None = None


class AudioError(HearkenError):
    """Audio that cannot be read here, before the server has seen it."""


class MissingExtra(HearkenError):
    """A part of this library that was not installed; the text says which."""


class ConnectionFailed(HearkenError):
    """No server answers, or the connection was lost. is_unreachable: there was no connection; nothing was sent."""

    is_unreachable: bool = False


class AuthenticationFailed(HearkenError):
    """The token or the certificate is missing or not accepted."""


class InvalidRequest(HearkenError):
    """What was asked for is refused, by the server or here; asking again would not help."""


class ServerBusy(HearkenError):
    """The server is full. retry_after_s: seconds to wait before trying again, if the server gave them."""

    retry_after_s: float | None = None


class DeadlineExceeded(HearkenError):
    """Not finished within `timeout_s`."""


class ServerError(HearkenError):
    """The server failed."""


ERROR_OF_STATUS: dict[grpc.StatusCode, type[HearkenError]] = {
    grpc.StatusCode.CANCELLED: ConnectionFailed,
    grpc.StatusCode.UNKNOWN: ServerError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.NOT_FOUND: InvalidRequest,
    grpc.StatusCode.ALREADY_EXISTS: InvalidRequest,
    grpc.StatusCode.PERMISSION_DENIED: AuthenticationFailed,
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationFailed,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ServerBusy,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidRequest,
    grpc.StatusCode.ABORTED: ServerError,
    grpc.StatusCode.UNIMPLEMENTED: ServerError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.INTERNAL: ServerError,
    grpc.StatusCode.UNAVAILABLE: ConnectionFailed,
    grpc.StatusCode.DATA_LOSS: ServerError,
}

# How gRPC's own text begins when there never was a connection.
_NEVER_CONNECTED = ("failed to connect", "dns resolution failed")


def error_of(call: typing.Any, server: str) -> HearkenError:
    """What a failed gRPC call (or the error that it raised) means to the caller. server: its address, for the text."""
    status: grpc.StatusCode = call.code()
    details: str = call.details() or ""
    kind = ERROR_OF_STATUS[status]
    error = kind(_sentence(status, details, server) + _versions(status, call))
    error.status = status.name
    if isinstance(error, ConnectionFailed):
        error.is_unreachable = _never_connected(status, details)
    if isinstance(error, ServerBusy):
        error.retry_after_s = _retry_after_s(call.trailing_metadata())
    return error


def _sentence(status: grpc.StatusCode, details: str, server: str) -> str:
    if _never_connected(status, details):
        reason = "" if "Connection refused" in details else f" ({details})"
        return f"no Hearken server answers at {server}; start one with `make serve`{reason}"
    if status is grpc.StatusCode.UNAVAILABLE:
        return f"the Hearken server at {server} is not available: {details or 'connection lost'}"
    if status is grpc.StatusCode.UNIMPLEMENTED:
        return f"what answers at {server} does not offer this call of hearken.v1.Speech: {details}"
    return details or f"the Hearken server at {server} gave the status {status.name} without a reason"


def _versions(status: grpc.StatusCode, call: typing.Any) -> str:
    """What else is to be known where something is refused that another version may offer."""
    if status not in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED):
        return ""
    server = next((value for key, value in call.initial_metadata() or () if key == _VERSION_KEY), VERSION)
    return "" if server == VERSION else f" (the server's version is {server}, this library's {VERSION})"


def _never_connected(status: grpc.StatusCode, details: str) -> bool:
    return status is grpc.StatusCode.UNAVAILABLE and details.lower().startswith(_NEVER_CONNECTED)


def _retry_after_s(trailing_metadata: typing.Any) -> float | None:
    # Read by field numbers: the classes of google.rpc would be one more package to install.
    try:
        for status in (value for key, value in trailing_metadata or () if key == _DETAILS_KEY):
            for detail in map(Any.FromString, _fields(status, _STATUS_DETAILS_FIELD)):
                if detail.TypeName() == "google.rpc.RetryInfo":
                    for delay in map(Duration.FromString, _fields(detail.value, _RETRY_DELAY_FIELD)):
                        return float(delay.seconds + delay.nanos / 1e9)
    except DecodeError:
        pass  # a hint that cannot be read is no hint
    return None


def _fields(message: bytes, number: int) -> list[bytes]:
    fields = UnknownFieldSet(Empty.FromString(message))
    found = (fields[index] for index in range(len(fields)))
    return [field.data for field in found if field.field_number == number and isinstance(field.data, bytes)]
