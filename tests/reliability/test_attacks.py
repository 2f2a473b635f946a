"""Bad clients harm themselves: each attack ends within its bounds, and a good stream beside it hears every word.

Short forms of what `make chaos` does for longer, around the fake recognizer; the server is a process of its own.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attacks
import pytest
import pytest_asyncio
from good_callers import Heard, keep_speaking, transcript
from serving import FAKE, Serving, serving

from hearken import AsyncClient
from hearken.v1 import speech_pb2 as pb
from service.late_refusals import AT_ONCE_PER_S
from service.tokens import Scope, create_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPEECH = b"\x01\x02" * 4000 * 4
"""1 s: four words of the fake recognizer."""
IMPATIENT = {
    "handshake_timeout_s": 1,
    "keepalive_interval_s": 1,
    "keepalive_timeout_s": 1,
    "max_connection_idle_s": 2,
    "drain_grace_s": 1,
    "late_refusal_s": 1,
}
MESSAGES = [
    pb.StreamingRecognizeRequest(
        config=pb.StreamingConfig(audio=pb.AudioConfig(encoding=pb.AudioConfig.LINEAR16, sample_rate_hz=16000))
    ).SerializeToString(),
    pb.StreamingRecognizeRequest(audio=SPEECH).SerializeToString(),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Serving]:
    async with serving(FAKE, **IMPATIENT) as server:
        yield server


@asynccontextmanager
async def good_streams_beside(server: Serving, **connection: str) -> AsyncIterator[None]:
    """Fails unless everything that is said meanwhile, and after it, is heard."""
    heard, done = Heard(), asyncio.Event()
    async with AsyncClient(server.address, **connection) as client:
        wanted = await transcript(client, SPEECH)
    speaking = asyncio.create_task(
        keep_speaking(server.address, [(SPEECH, wanted)], heard, streams=2, done=done, **connection)
    )
    try:
        yield
    finally:
        done.set()
        await speaking
    assert heard.right >= 2 and not heard.wrong and not heard.failed, heard


async def cancelled(server: Serving) -> float:
    """Calls that were cancelled after they had begun."""
    return await server.metric('hearken_errors_total{status="CANCELLED"}')


async def settled(server: Serving) -> None:
    """Nothing of the attack is left."""
    async with asyncio.timeout(10):
        while await server.metric("hearken_streams_active") or server.sockets() > LISTENING:
            await asyncio.sleep(0.05)
    assert server.process.poll() is None


LISTENING = 6
"""Sockets of a server that nobody calls, and of a question about its metrics."""


@pytest.mark.parametrize(
    "attack",
    [
        attacks.random_bytes,
        attacks.corrupt_tls,
        attacks.slow_loris,
        attacks.connect_flood,
        attacks.rapid_reset,
        attacks.ping_flood,
        attacks.endless_header,
    ],
    ids=["random bytes", "corrupt TLS", "slow loris", "connects", "resets", "pings", "headers"],
)
async def test_an_attack_ends_and_good_streams_do_not_notice(
    server: Serving, attack: Callable[[int], Awaitable[attacks.Seen]]
) -> None:
    async with good_streams_beside(server):
        seen = await attack(server.port)
    assert seen.left_open == 0
    await settled(server)


async def test_calls_that_are_reset_at_once_never_begin(server: Serving) -> None:
    before = await cancelled(server)
    for _ in range(5):
        await attacks.rapid_reset(server.port, 100)
    await settled(server)
    assert await cancelled(server) - before <= 50


async def test_the_place_of_a_client_that_vanished_is_free_again(server: Serving) -> None:
    async def streams(name: str) -> float:
        return await server.metric(f'hearken_streams_total{{method="{name}"}}')

    before, heard_s = await streams("StreamingRecognize"), await server.metric("hearken_audio_seconds_total")
    vanishing = asyncio.create_task(attacks.half_open(server.port, MESSAGES))
    async with asyncio.timeout(10):
        while await server.metric("hearken_audio_seconds_total") < heard_s + 1:
            await asyncio.sleep(0.02)
    assert await streams("StreamingRecognize") == before + 1
    assert await server.metric("hearken_streams_active") == 1
    await vanishing
    await settled(server)


async def test_who_takes_calls_without_a_token_back_at_once_has_no_room_for_more_until_they_are_refused(
    tmp_path: Path,
) -> None:
    tokens = tmp_path / "tokens.toml"
    token = create_token(tokens, "good", frozenset(Scope), None, None)

    async def ended() -> float:
        names = "CANCELLED", "UNAUTHENTICATED"
        return sum([await server.metric(f'hearken_errors_total{{status="{name}"}}') for name in names])

    own = {**IMPATIENT, "late_refusal_s": 2, "max_calls_per_connection": 3, "tokens_file": tokens}
    async with serving(FAKE, **own) as server:
        async with good_streams_beside(server, token=token), asyncio.timeout(20):
            await attacks.rapid_reset(server.port, 60, obeys=True, pause_s=0.01)
            while await ended() < AT_ONCE_PER_S + 3:
                await asyncio.sleep(0.05)
        await settled(server)
        assert await ended() <= 40


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
async def test_over_tls_damaged_handshakes_and_wrong_tokens_do_not_disturb_who_has_a_token(tmp_path: Path) -> None:
    certificate, key, tokens = (str(tmp_path / name) for name in ("server.pem", "server.key", "tokens.toml"))
    made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run(["openssl", "req", *made, *named], check=True, capture_output=True)
    token = create_token(Path(tokens), "good", frozenset(Scope), None, None)
    secured = {"tls_certificate": certificate, "tls_key": key, "tokens_file": tokens}
    async with serving(FAKE, **IMPATIENT, **secured) as server:
        async with good_streams_beside(server, token=token, root_certificates=certificate):
            await attacks.corrupt_tls(server.port)
            await attacks.random_bytes(server.port)
            seen = await attacks.wrong_tokens(server.address, 200, 400, root_certificates=certificate)
        await settled(server)
        assert seen.refused == 200
        assert await server.metric('hearken_streams_refused_total{reason="unauthenticated"}') == 200
