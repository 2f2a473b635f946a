"""The container's health check: asks the server in this container by grpc.health.v1. Exit code 0: it serves; 1: not.

What is healthy is left to the server. With TLS its certificate must also name `localhost`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service.settings import Settings, load_settings

TIMEOUT_S = 5.0


def main() -> int:
    """The exit code; a sentence for `docker inspect`."""
    try:
        with _channel(load_settings()) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            status = stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S).status
    except grpc.RpcError as error:
        print(f"{error.code().name}: {error.details()}")
        return 1
    print(health_pb2.HealthCheckResponse.ServingStatus.Name(status))
    return 0 if status == health_pb2.HealthCheckResponse.SERVING else 1


def _channel(settings: Settings) -> grpc.Channel:
    options = [("grpc.enable_http_proxy", 0)]
    if not settings.tls_certificate:
        return grpc.insecure_channel(f"127.0.0.1:{settings.port}", options)
    certificate = Path(settings.tls_certificate).read_bytes()
    # The authority that signed it is not in the container, so the certificate itself is what is trusted. Where callers
    # must show one (mutual TLS) the server's own is shown; an authority for callers only will not know it.
    own = (Path(settings.tls_key).read_bytes(), certificate) if settings.tls_client_ca else (None, None)
    return grpc.secure_channel(f"localhost:{settings.port}", grpc.ssl_channel_credentials(certificate, *own), options)


if __name__ == "__main__":
    sys.exit(main())
