"""Where the server is and how to reach it: address, TLS, token, metadata, and the settings of the gRPC channel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, TypedDict

import grpc
import grpc.aio

from hearken._reconnect import FIRST_DELAY_S, LONGEST_DELAY_S, Reconnect
from hearken._version import VERSION
from hearken.v1.speech_pb2_grpc import SpeechStub

DEFAULT_SERVER = "127.0.0.1:50051"
DEFAULT_PORT = 50051
KEEPALIVE_TIMEOUT_S = 10.0

# The largest recording that is sent in one message, and so can be sent again. The server's own limit is higher.
UNARY_LIMIT_BYTES = 1024 * 1024

_LOOPBACK = ("127.", "localhost", "[::1]")

# Only calls that are sent whole are tried again, and gRPC does so only before the server has begun to answer.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [
                {"service": "hearken.v1.Speech", "method": "Recognize"},
                {"service": "hearken.v1.Speech", "method": "ListModels"},
            ],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.2s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


class ConnectionOptions(TypedDict, total=False):
    """Keyword arguments of both clients. All may be left out.

    token: sent with each call as `authorization: Bearer ...`. Use it with TLS, or others on the way can read it.
    metadata: further (key, value) pairs to send with each call.
    tls: encrypt, and check the server's certificate by the system's authorities. Default False, but True if one of the
        following is given.
    root_certificates: PEM file of the authorities to check the server's certificate by.
    client_certificate, client_key: PEM files by which the server knows this client (mutual TLS).
    connect_timeout_s: how long to try to reach the server. Default 5.
    keepalive_s: how often to ask a silent server whether it is still there; after 10 s without an answer the
        connection counts as lost. Default 30. None: never.
    reconnect: how streams outlive a lost connection; see Reconnect, whose defaults are the default. None: not at all.
    channel_options: further gRPC channel arguments; they win over those which are made from the above.
    """

    token: str | None
    metadata: Sequence[tuple[str, str]]
    tls: bool
    root_certificates: str | PathLike[str] | None
    client_certificate: str | PathLike[str] | None
    client_key: str | PathLike[str] | None
    connect_timeout_s: float
    keepalive_s: float | None
    reconnect: Reconnect | None
    channel_options: Sequence[tuple[str, Any]]


@dataclass(frozen=True, slots=True, repr=False)
class Connection:
    """The keyword arguments with their defaults; their meaning is told above. server: "host:port"."""

    server: str = DEFAULT_SERVER
    token: str | None = None
    metadata: Sequence[tuple[str, str]] = ()
    tls: bool = False
    root_certificates: str | PathLike[str] | None = None
    client_certificate: str | PathLike[str] | None = None
    client_key: str | PathLike[str] | None = None
    connect_timeout_s: float = 5.0
    keepalive_s: float | None = 30.0
    reconnect: Reconnect | None = field(default_factory=Reconnect)
    channel_options: Sequence[tuple[str, Any]] = ()

    def __post_init__(self) -> None:
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("client_certificate and client_key belong together; give both or neither")

    @property
    def target(self) -> str:
        """The address as gRPC takes it."""
        return self.server if ":" in self.server else f"{self.server}:{DEFAULT_PORT}"

    def call_metadata(self) -> list[tuple[str, str]]:
        """What to send with each call."""
        token = [] if self.token is None else [("authorization", f"Bearer {self.token}")]
        return [*self.metadata, *token]

    def credentials(self) -> grpc.ChannelCredentials | None:
        """For an encrypted channel; None for a plain one. Raises OSError if a file cannot be read."""
        if not (self.tls or self.root_certificates or self.client_certificate):
            return None
        return grpc.ssl_channel_credentials(
            root_certificates=_content(self.root_certificates),
            private_key=_content(self.client_key),
            certificate_chain=_content(self.client_certificate),
        )

    def channel_arguments(self) -> list[tuple[str, Any]]:
        """The settings of the gRPC channel; of two with the same name gRPC takes the last."""
        arguments: dict[str, Any] = {
            "grpc.service_config": json.dumps(_SERVICE_CONFIG),
            "grpc.per_rpc_retry_buffer_size": 2 * UNARY_LIMIT_BYTES,
            # Despite its name this is how long one attempt to connect may take.
            "grpc.min_reconnect_backoff_ms": round(self.connect_timeout_s * 1000),
            # gRPC's own pauses between attempts to connect; by default they grow to two minutes.
            "grpc.initial_reconnect_backoff_ms": round(FIRST_DELAY_S * 1000),
            "grpc.max_reconnect_backoff_ms": round(LONGEST_DELAY_S * 1000),
            "grpc.primary_user_agent": f"hearken-python/{VERSION}",
        }
        if self.keepalive_s is not None:
            arguments["grpc.keepalive_time_ms"] = round(self.keepalive_s * 1000)
            arguments["grpc.keepalive_timeout_ms"] = round(KEEPALIVE_TIMEOUT_S * 1000)
            arguments["grpc.http2.max_pings_without_data"] = 0
        if self.server.startswith(_LOOPBACK):
            arguments["grpc.enable_http_proxy"] = 0
        return list((arguments | dict(self.channel_options)).items())


def speech_stub(channel: grpc.Channel | grpc.aio.Channel) -> Any:
    """The calls of hearken.v1.Speech on a channel; the generated class has no types."""
    return SpeechStub(channel)  # type: ignore[no-untyped-call]


def _content(path: str | PathLike[str] | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
