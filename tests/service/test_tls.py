"""TLS: the SDK against a real server, certificates replaced under it, and what is said about bad files."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import hearken
from service.errors import StartError
from service.running import run
from service.settings import Settings
from service.tls import server_credentials

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


@pytest.fixture
def make_pair(tmp_path: Path) -> Callable[..., Pair]:
    """`make_pair("server", by=authority)`: for localhost, signed by the authority; without one it is an authority."""

    def make_pair(name: str, by: Pair | None = None) -> Pair:
        pair = Pair(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        subject = ["-subj", f"/CN={name}", "-out", str(pair.certificate), "-keyout", str(pair.key)]
        if by is None:
            signed = ["-addext", "basicConstraints=critical,CA:TRUE"]
        else:
            names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
            signed = ["-CA", str(by.certificate), "-CAkey", str(by.key), "-addext", names]
            signed += ["-addext", "basicConstraints=critical,CA:FALSE"]
        ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        subprocess.run(["openssl", "req", "-x509", *ec, *subject, *signed], check=True, capture_output=True)
        return pair

    return make_pair


def replace(pair: Pair, new: Pair) -> None:
    """As deployment tools do it: written beside, then renamed."""
    for old_path, new_path in ((pair.certificate, new.certificate), (pair.key, new.key)):
        copy = old_path.with_suffix(".new")
        shutil.copy(new_path, copy)
        os.replace(copy, old_path)


async def model_seen_by(port: int, **options: Any) -> str:
    async with hearken.AsyncClient(f"127.0.0.1:{port}", connect_timeout_s=2, **options) as client:
        return (await client.models())[0].name


@pytest.mark.asyncio
async def test_the_sdk_transcribes_over_tls_and_plaintext_finds_nobody(
    serve: Any, fakes: Any, make_pair: Callable[..., Pair]
) -> None:
    authority = make_pair("authority")
    pair = make_pair("server", by=authority)
    async with serve(tls_certificate=str(pair.certificate), tls_key=str(pair.key)) as running:
        port = running.server.port
        async with hearken.AsyncClient(f"127.0.0.1:{port}", root_certificates=authority.certificate) as client:
            whole = await client.transcribe([fakes.SPEECH], sample_rate_hz=16000)
            assert whole.text == "w1"
        with pytest.raises(hearken.ConnectionFailed):
            await model_seen_by(port)
        with pytest.raises(hearken.ConnectionFailed):
            await model_seen_by(port, root_certificates=make_pair("stranger").certificate)


@pytest.mark.asyncio
async def test_with_a_client_authority_only_its_certificates_get_in(serve: Any, make_pair: Callable[..., Pair]) -> None:
    authority, stranger = make_pair("authority"), make_pair("stranger")
    pair, client, other = (
        make_pair("server", by=authority),
        make_pair("client", by=authority),
        make_pair("other", by=stranger),
    )
    tls = {"tls_certificate": pair.certificate, "tls_key": pair.key, "tls_client_ca": authority.certificate}
    async with serve(**{name: str(path) for name, path in tls.items()}) as running:
        known = {"root_certificates": authority.certificate}
        shown = {"client_certificate": client.certificate, "client_key": client.key}
        assert await model_seen_by(running.server.port, **known, **shown) == "fake"
        for wrong in ({}, {"client_certificate": other.certificate, "client_key": other.key}):
            with pytest.raises(hearken.ConnectionFailed):
                await model_seen_by(running.server.port, **known, **wrong)


@pytest.mark.asyncio
@pytest.mark.parametrize("mutual", [False, True], ids=["TLS", "mutual TLS"])
async def test_new_files_serve_new_connections_and_leave_running_streams_alone(
    mutual: bool, serve: Any, fakes: Any, make_pair: Callable[..., Pair]
) -> None:
    old, new = make_pair("old"), make_pair("new")
    pair, newer = make_pair("server", by=old), make_pair("newer", by=new)
    client = make_pair("client", by=old)
    client_ca = old.certificate.with_name("client-ca.pem")
    shutil.copy(old.certificate, client_ca)
    shown = {"client_certificate": client.certificate, "client_key": client.key} if mutual else {}
    tls = {"tls_certificate": str(pair.certificate), "tls_key": str(pair.key)}
    async with serve(**tls, tls_client_ca=str(client_ca) if mutual else "") as running:
        port = running.server.port
        replaced = asyncio.Event()

        async def audio() -> Any:
            yield fakes.SPEECH
            await replaced.wait()
            yield fakes.SPEECH

        async with hearken.AsyncClient(f"127.0.0.1:{port}", root_certificates=old.certificate, **shown) as before:
            stream = before.stream(audio(), sample_rate_hz=16000)
            assert (await anext(stream)).text == "w1"
            replace(pair, newer)
            if mutual:
                shutil.copy(new.certificate, client_ca)
                with pytest.raises(hearken.ConnectionFailed):
                    await model_seen_by(port, root_certificates=new.certificate, **shown)
                newest = make_pair("client2", by=new)
                shown = {"client_certificate": newest.certificate, "client_key": newest.key}
            assert await model_seen_by(port, root_certificates=new.certificate, **shown) == "fake"
            replaced.set()
            assert [result.text async for result in stream][-1] == "w1 w2"


@pytest.mark.asyncio
async def test_a_bad_or_half_written_new_pair_leaves_the_old_one_serving_and_is_logged_once(
    serve: Any, make_pair: Callable[..., Pair], caplog: pytest.LogCaptureFixture
) -> None:
    authority = make_pair("authority")
    pair, newer = make_pair("server", by=authority), make_pair("newer", by=authority)
    async with serve(tls_certificate=str(pair.certificate), tls_key=str(pair.key)) as running:
        whole = newer.key.read_bytes()
        for content in (None, b"", whole[: len(whole) // 2], whole):
            if content is None:
                pair.key.unlink()
            else:
                pair.key.write_bytes(content)
            caplog.clear()
            for _ in range(2):
                name = await model_seen_by(running.server.port, root_certificates=authority.certificate)
                assert name == "fake"
            assert caplog.text.count("what was read before stays in force") == 1
            assert "PRIVATE" not in caplog.text
        shutil.copy(newer.certificate, pair.certificate)
        caplog.clear()
        with caplog.at_level("INFO"):
            assert await model_seen_by(running.server.port, root_certificates=authority.certificate) == "fake"
        assert f"read again: {pair.certificate}" in caplog.text


def test_bad_files_are_one_sentence_and_exit_code_2(
    tmp_path: Path, make_pair: Callable[..., Pair], fakes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pair, other = make_pair("server"), make_pair("other")
    locked, empty = tmp_path / "locked.key", tmp_path / "empty.pem"
    lock = ["openssl", "pkey", "-in", str(pair.key), "-aes256", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(lock, check=True, capture_output=True)
    empty.touch()
    good = {"tls_certificate": pair.certificate, "tls_key": pair.key}
    for bad, said in (
        ({"tls_key": ""}, "HEARKEN_TLS_CERTIFICATE and HEARKEN_TLS_KEY belong together"),
        ({"tls_certificate": ""}, "HEARKEN_TLS_CERTIFICATE and HEARKEN_TLS_KEY belong together"),
        ({"tls_key": other.key}, "are no pair"),
        ({"tls_key": locked}, "unencrypted key"),
        ({"tls_certificate": empty}, "are no pair"),
        ({"tls_certificate": tmp_path / "none.pem"}, "cannot read"),
        ({"tls_certificate": tmp_path}, "cannot read"),
        ({"tls_client_ca": empty}, "HEARKEN_TLS_CLIENT_CA"),
        ({"tls_client_ca": pair.key}, "HEARKEN_TLS_CLIENT_CA"),
        ({"tls_certificate": "", "tls_key": "", "tls_client_ca": pair.certificate}, "which needs TLS"),
    ):
        files = {name: str(path) for name, path in {**good, **bad}.items()}
        settings = Settings(port=0, metrics_port=0, drain_grace_s=0, log_level="error", **files)
        assert run(settings, lambda _: fakes.FakeRecognizer()) == 2
        printed = capsys.readouterr().err
        assert printed.startswith("hearken: ") and printed.count("\n") == 1 and said in printed


@pytest.mark.parametrize("host", ["0.0.0.0", "0", "::", "192.0.2.1", ""])
def test_plaintext_where_others_can_reach_it_says_both_ways_out(host: str) -> None:
    with pytest.raises(StartError) as raised:
        server_credentials(Settings(host=host))
    assert "HEARKEN_TLS_CERTIFICATE" in str(raised.value) and "HEARKEN_ALLOW_PLAINTEXT=1" in str(raised.value)
    assert server_credentials(Settings(host=host, allow_plaintext=True)) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_plaintext_is_fine_on_loopback(host: str) -> None:
    assert server_credentials(Settings(host=host)) is None
