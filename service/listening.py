"""How the gRPC port is opened: gRPC's own limits, and why a port cannot be had. Certificates are service/tls.py's."""

from __future__ import annotations

import socket

from service.errors import StartError
from service.late_refusals import MOST_WAITING
from service.settings import Settings, variable_of

_RECORDING_BYTES_PER_S = 48_000 * 2 * 2
"""A second of the largest audio that MAX_RECORDING_S allows for: 48 kHz, two channels, 16 bits."""

_REST_OF_REQUEST_BYTES = 64 * 1024
"""Room for everything in a request that is not audio."""

_MORE_CALLS = 1000
"""Calls at a time beyond the streams and the late refusals: of those who watch the health, for example."""

_PENDING_CALLS = 5000


def most_calls(settings: Settings) -> int:
    """Calls at a time, of all connections."""
    return settings.max_streams + MOST_WAITING + _MORE_CALLS


def grpc_options(settings: Settings) -> list[tuple[str, int]]:
    """The channel arguments of the server."""
    whole_recording_bytes = int(settings.max_recording_s * _RECORDING_BYTES_PER_S)
    connection_age = [
        ("grpc.max_connection_age_ms", round(settings.max_connection_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", round(settings.max_connection_age_grace_s * 1000)),
    ]
    return [
        *(connection_age if settings.max_connection_age_s else []),
        # Otherwise a second server on the same port would silently get half of the callers.
        ("grpc.so_reuseport", int(settings.workers > 1)),
        (
            "grpc.max_receive_message_length",
            max(whole_recording_bytes, settings.max_message_bytes) + _REST_OF_REQUEST_BYTES,
        ),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        ("grpc.max_connection_idle_ms", round(settings.max_connection_idle_s * 1000)),
        ("grpc.server_handshake_timeout_ms", round(settings.handshake_timeout_s * 1000)),
        ("grpc.max_metadata_size", settings.max_header_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_header_bytes),
        # Also those count that were cancelled and are not cleared away yet: this is what holds back a rapid reset.
        ("grpc.max_concurrent_streams", settings.max_calls_per_connection),
        # Calls that wait for the event loop. Beyond the first number gRPC ends some at random with CANCELLED, beyond
        # the second all; its own 1000 and 3000 would let a few bad connections push out good callers.
        ("grpc.server.max_pending_requests", _PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", 2 * _PENDING_CALLS),
        # Also of connections without a call, which otherwise could be left open by the thousand.
        ("grpc.keepalive_time_ms", round(settings.keepalive_interval_s * 1000)),
        ("grpc.keepalive_timeout_ms", round(settings.keepalive_timeout_s * 1000)),
        ("grpc.http2.ping_timeout_ms", round(settings.keepalive_timeout_s * 1000)),  # otherwise it is a minute
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),  # otherwise gRPC asks twice, then no more until there is data to send
        # Clients may ask as often as every 10 s.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ]


def check_free(host: str, port: int, host_field: str, port_field: str) -> None:
    """A StartError which says why a port cannot be had; gRPC's own error does not."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        settings = f"{variable_of(host_field)} and {variable_of(port_field)}"
        raise StartError(f"cannot listen on {host}:{port}, choose others in {settings}: {error.strerror}") from error
