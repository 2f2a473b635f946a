"""How the gRPC port is protected: TLS from files, mutual TLS, and where plaintext is allowed.

Who a caller is and what it may do is left to service/tokens.py.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import grpc

from service.errors import StartError
from service.reloading import Reloading
from service.settings import Settings, variable_of


def server_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """TLS as the settings want it; None: plaintext, and that is allowed. Raises StartError."""
    if not settings.tls_certificate and not settings.tls_key:
        _check_plaintext(settings)
        return None
    if not settings.tls_certificate or not settings.tls_key:
        raise StartError(
            f"{variable_of('tls_certificate')} and {variable_of('tls_key')} belong together; set both or neither"
        )
    certificate, key = Path(settings.tls_certificate), Path(settings.tls_key)
    client_ca = Path(settings.tls_client_ca) if settings.tls_client_ca else None
    files = Reloading(
        [certificate, key, *([client_ca] if client_ca else [])], lambda: _configuration(certificate, key, client_ca)
    )
    return grpc.dynamic_ssl_server_credentials(
        files.current(),
        _changes_only(files),  # type: ignore[arg-type]  # the stubs do not know that it may return None
        require_client_authentication=client_ca is not None,
    )


def _check_plaintext(settings: Settings) -> None:
    if settings.tls_client_ca:
        raise StartError(
            f"{variable_of('tls_client_ca')} asks for client certificates, which needs TLS;"
            f" set {variable_of('tls_certificate')} and {variable_of('tls_key')} as well"
        )
    if not settings.allow_plaintext and not _is_loopback(settings.host):
        raise StartError(
            f"without TLS everybody on the way could read what is said to {settings.host}; set"
            f" {variable_of('tls_certificate')} and {variable_of('tls_key')}, or, where something else encrypts,"
            f" {variable_of('allow_plaintext')}=1"
        )


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False  # an empty name, for example, which gRPC takes for every interface
    return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)


def _changes_only(
    files: Reloading[grpc.ServerCertificateConfiguration],
) -> Callable[[], grpc.ServerCertificateConfiguration | None]:
    """What gRPC calls before every handshake: the configuration if it is a new one, or None."""
    given = files.current()

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given
        before, given = given, files.current()
        return None if given is before else given

    return fetch


def _configuration(certificate: Path, key: Path, client_ca: Path | None) -> grpc.ServerCertificateConfiguration:
    """The content of the files, checked, because gRPC would report a bad one at the handshake, to the caller."""
    before = _read(certificate, key, client_ca)
    try:
        # Nobody is there to type a passphrase, and gRPC takes no encrypted key.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:
        raise StartError(
            f"{variable_of('tls_certificate')} {certificate} and {variable_of('tls_key')} {key} are no pair of"
            f" certificate and unencrypted key in PEM: {error}"
        ) from error
    if client_ca is not None:
        _check_authorities(client_ca, before[-1])
    if before != _read(certificate, key, client_ca):
        raise StartError(f"{certificate} and {key} are being written; they are read again when that is done")
    return grpc.ssl_server_certificate_configuration([(before[1], before[0])], before[2] if client_ca else None)


def _check_authorities(path: Path, content: bytes) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise StartError(f"{variable_of('tls_client_ca')} {path} has no certificates in PEM: {error}") from error


def _read(*paths: Path | None) -> list[bytes]:
    try:
        return [path.read_bytes() for path in paths if path is not None]
    except OSError as error:
        raise StartError(f"cannot read {error.filename}, which the TLS settings name: {error.strerror}") from error
