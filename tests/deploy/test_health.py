"""deploy/health.py, the health check of the container, against real servers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

from service.settings import PREFIX

ROOT = Path(__file__).parents[2]
FOR_TLS = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")


@contextmanager
def serving(status: int, credentials: grpc.ServerCredentials | None = None) -> Iterator[int]:
    """The port of a server with this health."""
    servicer = health.HealthServicer()
    servicer.set("", status)
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


def check(**settings: object) -> subprocess.CompletedProcess[str]:
    """Runs the health check where the server has these settings."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return subprocess.run(
        [sys.executable, ROOT / "deploy" / "health.py"],
        env={
            **ours,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")]),
            **{PREFIX + name.upper(): str(value) for name, value in settings.items()},
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_server_that_serves_is_healthy() -> None:
    with serving(HealthCheckResponse.SERVING) as port:
        checked = check(port=port)
    assert (checked.returncode, checked.stdout) == (0, "SERVING\n")


def test_a_server_that_does_not_serve_is_not() -> None:
    with serving(HealthCheckResponse.NOT_SERVING) as port:
        checked = check(port=port)
    assert (checked.returncode, checked.stdout) == (1, "NOT_SERVING\n")


def test_no_server_is_not_healthy_and_is_told_in_a_line() -> None:
    checked = check(port=1)
    assert checked.returncode == 1
    assert checked.stdout.startswith("UNAVAILABLE: ") and not checked.stderr


@FOR_TLS
@pytest.mark.parametrize("asks_for_certificates", [False, True])
def test_tls_is_checked_with_the_servers_own_certificate(tmp_path: Path, asks_for_certificates: bool) -> None:
    certificate, key, authority = (tmp_path / name for name in ("server.pem", "server.key", "authority.pem"))
    make = f"""
        new="openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        $new -subj /CN=authority -addext basicConstraints=critical,CA:TRUE -keyout authority.key -out {authority}
        $new -subj /CN=speech -addext subjectAltName=DNS:speech.example.org,DNS:localhost \\
            -addext basicConstraints=critical,CA:FALSE -CA {authority} -CAkey authority.key \\
            -keyout {key} -out {certificate}
    """
    subprocess.run(["bash", "-euc", make], cwd=tmp_path, check=True, capture_output=True)
    client_ca = {"tls_client_ca": authority} if asks_for_certificates else {}
    credentials = grpc.ssl_server_credentials(
        [(key.read_bytes(), certificate.read_bytes())],
        root_certificates=authority.read_bytes() if asks_for_certificates else None,
        require_client_auth=asks_for_certificates,
    )
    with serving(HealthCheckResponse.SERVING, credentials) as port:
        checked = check(port=port, tls_certificate=certificate, tls_key=key, **client_ca)
    assert (checked.returncode, checked.stdout) == (0, "SERVING\n"), checked.stderr
