"""Reaching a server: addresses, what is sent with each call, TLS in both directions."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest

import hearken
from hearken._connection import Connection


def test_token_and_metadata_go_with_each_call(server: Any, caller: Any) -> None:
    connection = {"token": "secret", "metadata": [("x-team", "captions")]}
    caller.models(server.address, connection=connection)
    caller.stream(server.address, [b"\0\0"], connection=connection, sample_rate_hz=16_000)
    for metadata in server.speech.metadata:
        assert metadata["authorization"] == "Bearer secret"
        assert metadata["x-team"] == "captions"


def test_the_port_may_be_left_out() -> None:
    assert Connection("speech.example").target == "speech.example:50051"
    assert Connection("speech.example:443").target == "speech.example:443"


def test_channel_options_win() -> None:
    arguments = dict(Connection(keepalive_s=5, channel_options=[("grpc.keepalive_time_ms", 1)]).channel_arguments())
    assert arguments["grpc.keepalive_time_ms"] == 1
    assert "grpc.keepalive_time_ms" not in dict(Connection(keepalive_s=None).channel_arguments())


def test_a_proxy_is_not_asked_for_this_machine() -> None:
    assert ("grpc.enable_http_proxy", 0) in Connection("localhost:1").channel_arguments()
    assert ("grpc.enable_http_proxy", 0) not in Connection("speech.example:1").channel_arguments()


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(ValueError, match="belong together"):
        hearken.Client("localhost:1", client_certificate="certificate.pem")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """key.pem and certificate.pem of "localhost", which is its own authority; the same serves as a client's."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl")
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 2"
        " -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run(
        command.split(),
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


def test_tls_with_an_own_authority(start_server: Any, caller: Any, certificates: Path) -> None:
    pair = ((certificates / "key.pem").read_bytes(), (certificates / "certificate.pem").read_bytes())
    server = start_server(grpc.ssl_server_credentials([pair]))
    address = f"localhost:{server.port}"
    assert caller.models(address, connection={"root_certificates": certificates / "certificate.pem"})
    with pytest.raises(hearken.ConnectionFailed, match=r"no Hearken server answers at .*certificate"):
        caller.models(address, connection={"tls": True})
    with pytest.raises(hearken.ConnectionFailed):
        caller.models(address)


def test_mutual_tls(start_server: Any, caller: Any, certificates: Path) -> None:
    key, certificate = certificates / "key.pem", certificates / "certificate.pem"
    server = start_server(
        grpc.ssl_server_credentials(
            [(key.read_bytes(), certificate.read_bytes())], certificate.read_bytes(), require_client_auth=True
        )
    )
    address = f"localhost:{server.port}"
    known = {"root_certificates": certificate, "client_certificate": certificate, "client_key": key}
    assert caller.models(address, connection=known)
    with pytest.raises(hearken.ConnectionFailed):
        caller.models(address, connection={"root_certificates": certificate})


def test_a_certificate_that_cannot_be_read_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        hearken.Client(root_certificates=tmp_path / "none.pem")
