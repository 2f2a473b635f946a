"""Google's own client library, unchanged, against a real server: its example flows, in plaintext and over TLS."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import (
    GoogleAPICallError,
    InvalidArgument,
    NotFound,
    OutOfRange,
    ResourceExhausted,
    Unauthenticated,
)
from google.cloud import speech
from google.cloud.speech_v1.services.speech.transports import SpeechGrpcTransport

from service.tokens import Scope, create_token

pytestmark = pytest.mark.asyncio

RAW = {"encoding": speech.RecognitionConfig.AudioEncoding.LINEAR16, "sample_rate_hertz": 16_000}
CONFIG = speech.RecognitionConfig(**RAW, language_code="en-US")
MALORDERED = "Malordered Data Received. Send exactly one config, followed by audio data."


def client_of(running: Any) -> speech.SpeechClient:
    channel = grpc.insecure_channel(f"127.0.0.1:{running.server.port}")
    return speech.SpeechClient(transport=SpeechGrpcTransport(channel=channel))


def streamed(
    client: speech.SpeechClient, config: speech.StreamingRecognitionConfig, *pieces: bytes
) -> list[speech.StreamingRecognizeResponse]:
    requests = (speech.StreamingRecognizeRequest(audio_content=piece) for piece in pieces)
    return list(client.streaming_recognize(config=config, requests=requests))


def results_of(responses: list[Any]) -> list[Any]:
    return [result for response in responses for result in response.results]


def make_certificate(certificate: Path, key: Path) -> None:
    """For localhost; its own authority."""
    ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *ec, *files], check=True, capture_output=True)


async def failure_of(call: Callable[..., Any], *arguments: Any, **keywords: Any) -> GoogleAPICallError:
    with pytest.raises(GoogleAPICallError) as raised:
        await asyncio.to_thread(call, *arguments, **keywords)
    return raised.value


async def test_a_recording_is_recognized(serve: Any, fakes: ModuleType) -> None:
    config = speech.RecognitionConfig(
        **RAW, language_code="en-US", max_alternatives=2, enable_word_time_offsets=True, enable_word_confidence=True
    )
    audio = speech.RecognitionAudio(content=fakes.SPEECH * 2 + fakes.SILENCE + fakes.SPEECH)
    async with serve() as running:
        response = await asyncio.to_thread(client_of(running).recognize, config=config, audio=audio)
    first, second = response.results
    assert [own.transcript for own in first.alternatives] == ["w1 w2", "other 1"]
    assert second.alternatives[0].transcript == " w4"
    assert first.alternatives[0].confidence == 0.75
    assert first.language_code == "en-us"
    assert first.result_end_time.total_seconds() == 0.5
    word = first.alternatives[0].words[1]
    assert (word.word, word.start_time.total_seconds(), word.end_time.total_seconds()) == ("w2", 0.25, 0.5)
    assert word.confidence == 0.5
    assert response.request_id > 0


async def test_words_carry_only_what_was_asked_for(serve: Any, fakes: ModuleType) -> None:
    audio = speech.RecognitionAudio(content=fakes.SPEECH * 2)
    async with serve() as running:
        client = client_of(running)

        async def words(**wanted: bool) -> list[Any]:
            config = speech.RecognitionConfig(**RAW, **wanted)
            response = await asyncio.to_thread(client.recognize, config=config, audio=audio)
            return list(response.results[0].alternatives[0].words)

        assert await words() == []
        assert not (await words(enable_word_time_offsets=True))[1].confidence
        assert not (await words(enable_word_confidence=True))[1].end_time


async def test_a_stream_is_recognized_while_it_is_sent(serve: Any, fakes: ModuleType) -> None:
    """The samples' loop: interim results replace each other, final ones are put together."""
    config = speech.StreamingRecognitionConfig(config=CONFIG, interim_results=True)
    heard = threading.Event()

    def pieces() -> Iterator[speech.StreamingRecognizeRequest]:
        yield speech.StreamingRecognizeRequest(audio_content=fakes.SPEECH)
        assert heard.wait(10), "no result came while the stream was open"
        for piece in (fakes.SPEECH, fakes.SILENCE, fakes.SPEECH):
            yield speech.StreamingRecognizeRequest(audio_content=piece)

    def recognize(client: speech.SpeechClient) -> list[Any]:
        responses = []
        for response in client.streaming_recognize(config=config, requests=pieces()):
            heard.set()
            responses.append(response)
        return responses

    async with serve() as running:
        results = results_of(await asyncio.to_thread(recognize, client_of(running)))
        assert running.metric("hearken_streams_total", method="google.StreamingRecognize") == 1
    said = [(result.is_final, result.alternatives[0].transcript) for result in results]
    assert said == [(False, "w1"), (False, "w1 w2"), (True, "w1 w2"), (False, " w4"), (True, " w4")]
    assert [result.stability for result in results] == [0.5, 0.5, 0.0, 0.5, 0.0]


async def test_a_single_utterance_ends_with_its_event(serve: Any, fakes: ModuleType) -> None:
    config = speech.StreamingRecognitionConfig(config=CONFIG, single_utterance=True)
    async with serve() as running:
        responses = await asyncio.to_thread(
            streamed, client_of(running), config, fakes.SPEECH, fakes.SILENCE, fakes.SPEECH
        )
    event, final = responses
    kind = speech.StreamingRecognizeResponse.SpeechEventType.END_OF_SINGLE_UTTERANCE
    assert (event.speech_event_type, event.speech_event_time.total_seconds()) == (kind, 0.25)
    assert final.results[0].alternatives[0].transcript == "w1"


async def test_voice_activity_events_come_when_asked_for(serve: Any, fakes: ModuleType) -> None:
    events = speech.StreamingRecognizeResponse.SpeechEventType
    async with serve() as running:
        for wanted, expected in ((True, [events.SPEECH_ACTIVITY_BEGIN]), (False, [])):
            config = speech.StreamingRecognitionConfig(config=CONFIG, enable_voice_activity_events=wanted)
            responses = await asyncio.to_thread(streamed, client_of(running), config, fakes.SPEECH)
            assert [own.speech_event_type for own in responses if own.speech_event_type] == expected


async def test_a_long_recording_is_an_operation(serve: Any, fakes: ModuleType) -> None:
    """The samples' `operation.result()`, of a recording that Recognize would refuse."""
    audio = speech.RecognitionAudio(content=fakes.SPEECH * 8)
    async with serve(max_recording_s=1.0) as running:
        client = client_of(running)
        too_long = await failure_of(client.recognize, config=CONFIG, audio=audio)
        assert isinstance(too_long, InvalidArgument)
        assert "Sync input too long. For audio longer than 1 s use LongRunningRecognize." in str(too_long)

        operation = await asyncio.to_thread(client.long_running_recognize, config=CONFIG, audio=audio)
        response = await asyncio.to_thread(operation.result, timeout=20)
        assert response.results[0].alternatives[0].transcript == "w1 w2 w3 w4 w5 w6 w7 w8"
        assert operation.metadata.progress_percent == 100
        assert operation.metadata.start_time <= operation.metadata.last_update_time
        gone = await failure_of(client.get_operation, {"name": "projects/none"})
        assert isinstance(gone, NotFound)


async def test_an_operation_that_failed_says_why(serve: Any, fakes: ModuleType) -> None:
    async with serve() as running:
        client = client_of(running)
        audio = speech.RecognitionAudio(content=fakes.SPEECH + b"x")
        operation = await asyncio.to_thread(client.long_running_recognize, config=CONFIG, audio=audio)
        failure = await failure_of(operation.result, timeout=20)
        assert isinstance(failure, InvalidArgument) and "in the middle of a sample" in str(failure)


async def test_running_operations_are_limited_and_done_ones_make_room(serve: Any, fakes: ModuleType) -> None:
    may_go_on = threading.Event()
    recognizer = fakes.FakeRecognizer(lambda _: may_go_on.wait(20))
    audio = speech.RecognitionAudio(content=fakes.SPEECH)
    async with serve(recognizer, max_operations=1) as running:
        client = client_of(running)
        first = await asyncio.to_thread(client.long_running_recognize, config=CONFIG, audio=audio)
        assert not await asyncio.to_thread(first.done)
        full = await failure_of(client.long_running_recognize, config=CONFIG, audio=audio)
        assert isinstance(full, ResourceExhausted) and "all 1 operations" in str(full)
        may_go_on.set()
        assert (await asyncio.to_thread(first.result, timeout=20)).results
        second = await asyncio.to_thread(client.long_running_recognize, config=CONFIG, audio=audio)
        assert (await asyncio.to_thread(second.result, timeout=20)).results
        assert isinstance(await failure_of(client.get_operation, {"name": first.operation.name}), NotFound)


async def test_errors_have_googles_codes_and_words(serve: Any, fakes: ModuleType) -> None:
    config = speech.StreamingRecognitionConfig(config=CONFIG)
    async with serve(idle_timeout_s=0.2) as running:
        client = client_of(running)
        method = client.transport.streaming_recognize
        for requests in (
            [],
            [speech.StreamingRecognizeRequest(audio_content=b"")],
            [speech.StreamingRecognizeRequest(streaming_config=config)] * 2,
        ):
            call = method(iter(requests))
            with pytest.raises(grpc.RpcError):
                await asyncio.to_thread(list, call)
            assert (call.code(), call.details()) == (grpc.StatusCode.INVALID_ARGUMENT, MALORDERED)

        done = threading.Event()

        def silent() -> Iterator[speech.StreamingRecognizeRequest]:
            yield speech.StreamingRecognizeRequest(audio_content=fakes.SILENCE)
            done.wait(20)

        def stream_silence() -> None:
            list(client.streaming_recognize(config=config, requests=silent()))

        timeout = await failure_of(stream_silence)
        done.set()
        assert isinstance(timeout, OutOfRange) and "Audio Timeout Error: Long duration elapsed" in str(timeout)

        for wanted, said in (
            ({"audio_channel_count": 9}, "config.audio_channel_count: is 9; choose 1 to 8"),
            ({"language_code": "tlh"}, "config.language_code: model 'fake' speaks 'en-US', not 'tlh'"),
            ({"model": "latest_long"}, "config.model: there is no model 'latest_long' here; this server has 'fake'"),
            ({"alternative_language_codes": ["de"]}, "config.alternative_language_codes: this server does not honor"),
            (
                {"diarization_config": speech.SpeakerDiarizationConfig(enable_speaker_diarization=True)},
                "config.diarization_config.enable_speaker_diarization: this server does not honor it",
            ),
        ):
            chosen = speech.RecognitionConfig(**{**RAW, **wanted})
            audio = speech.RecognitionAudio(content=fakes.SPEECH)
            failure = await failure_of(client.recognize, config=chosen, audio=audio)
            assert isinstance(failure, InvalidArgument) and said in str(failure)


async def test_a_full_server_is_not_tried_again(serve: Any, fakes: ModuleType) -> None:
    """Google's client repeats a stream that was told UNAVAILABLE, with what is left of its audio."""
    config = speech.StreamingRecognitionConfig(config=CONFIG)
    may_go_on = threading.Event()
    async with serve(fakes.FakeRecognizer(lambda _: may_go_on.wait(20)), max_streams=1) as running:
        client = client_of(running)
        inside = asyncio.create_task(asyncio.to_thread(streamed, client, config, fakes.SPEECH))
        while not running.metric("hearken_streams_active"):
            await asyncio.sleep(0.01)
        full = await failure_of(streamed, client, config, fakes.SPEECH)
        assert isinstance(full, ResourceExhausted) and "all 1 places" in str(full)
        assert running.metric("hearken_streams_refused_total", reason="full") == 1
        may_go_on.set()
        assert results_of(await inside)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
async def test_it_streams_over_tls_with_a_token(serve: Any, fakes: ModuleType, tmp_path: Path) -> None:
    certificate, key, tokens = tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "tokens.toml"
    make_certificate(certificate, key)
    token = create_token(tokens, "alice", frozenset(Scope), None, None)
    config = speech.StreamingRecognitionConfig(config=CONFIG)
    tls = {"tls_certificate": str(certificate), "tls_key": str(key)}
    async with serve(**tls, tokens_file=str(tokens)) as running:

        def client_with(token: str) -> speech.SpeechClient:
            credentials = grpc.composite_channel_credentials(
                grpc.ssl_channel_credentials(certificate.read_bytes()), grpc.access_token_call_credentials(token)
            )
            channel = grpc.secure_channel(f"localhost:{running.server.port}", credentials)
            return speech.SpeechClient(transport=SpeechGrpcTransport(channel=channel))

        responses = await asyncio.to_thread(streamed, client_with(token), config, fakes.SPEECH)
        assert results_of(responses)[0].alternatives[0].transcript == "w1"
        stranger = await failure_of(streamed, client_with("wrong"), config, fakes.SPEECH)
        assert isinstance(stranger, Unauthenticated)


async def test_an_operation_is_its_tokens_own(serve: Any, fakes: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    alice, bob = (create_token(file, name, frozenset(Scope), None, None) for name in ("alice", "bob"))
    audio = speech.RecognitionAudio(content=fakes.SPEECH)
    async with serve(tokens_file=str(file)) as running:
        client = client_of(running)

        def bearer(token: str) -> tuple[tuple[str, str], ...]:
            return (("authorization", f"Bearer {token}"),)

        operation = await asyncio.to_thread(
            client.long_running_recognize, config=CONFIG, audio=audio, metadata=bearer(alice)
        )
        name = {"name": operation.operation.name}
        assert (await asyncio.to_thread(client.get_operation, name, metadata=bearer(alice))).name == name["name"]
        assert isinstance(await failure_of(client.get_operation, name, metadata=bearer(bob)), NotFound)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
async def test_it_needs_nothing_but_an_endpoint_and_an_api_key(serve: Any, fakes: ModuleType, tmp_path: Path) -> None:
    """As users of Google's library connect, TLS included; the authority comes from gRPC's own environment variable."""
    certificate, key, tokens = tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "tokens.toml"
    make_certificate(certificate, key)
    token = create_token(tokens, "alice", frozenset(Scope), None, None)
    program = f"""
from google.cloud import speech
client = speech.SpeechClient(client_options={{"api_endpoint": ENDPOINT, "api_key": {token!r}}})
config = speech.RecognitionConfig(encoding="LINEAR16", sample_rate_hertz=16_000, language_code="en-US")
audio = speech.RecognitionAudio(content={fakes.SPEECH!r})
print(client.recognize(config=config, audio=audio).results[0].alternatives[0].transcript)
"""
    environment = {**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(certificate)}
    async with serve(tls_certificate=str(certificate), tls_key=str(key), tokens_file=str(tokens)) as running:
        endpoint = f"localhost:{running.server.port}"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program.replace("ENDPOINT", repr(endpoint)),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert out.decode().strip() == "w1", errors.decode()
