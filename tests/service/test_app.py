"""A whole server: health, reflection, metrics, what is said when it cannot start, and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from hearken.v1 import speech_pb2 as pb
from hearken.v1.speech_pb2_grpc import SpeechStub
from models.errors import PackageError
from service.app import SPEECH, Server
from service.running import run
from service.settings import Settings
from service.version import server_version

ROOT = Path(__file__).parents[2]
FAKE_SERVER = Path(__file__).with_name("fake_server.py")
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING

CONFIG = pb.StreamingRecognizeRequest(
    config=pb.StreamingConfig(audio=pb.AudioConfig(encoding=pb.AudioConfig.LINEAR16, sample_rate_hz=16000))
)


async def health_of(channel: grpc.aio.Channel, service: str = "") -> int:
    return int((await HealthStub(channel).Check(HealthCheckRequest(service=service))).status)


def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


port_in_use = pytest.fixture(taken_port)


@pytest.mark.asyncio
async def test_until_the_model_is_loaded_health_says_not_serving_and_callers_are_told(
    fakes: ModuleType, end_of: Any
) -> None:
    loaded = threading.Event()

    def load(settings: Settings) -> Any:
        assert loaded.wait(5)
        return fakes.FakeRecognizer()

    server = Server(Settings(port=0, metrics_port=0), load)
    await server.start()
    loading = asyncio.create_task(server.load())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        for service in ("", SPEECH):
            assert await health_of(channel, service) == NOT_SERVING
        stub = SpeechStub(channel)
        for call in (
            stub.ListModels(pb.ListModelsRequest()),
            stub.Recognize(pb.RecognizeRequest(audio=b"x")),
            stub.StreamingRecognize(iter([CONFIG])),
        ):
            code, details = await end_of(call)
            assert code is grpc.StatusCode.UNAVAILABLE and "still loading" in details
        loaded.set()
        await loading
        for service in ("", SPEECH):
            assert await health_of(channel, service) == SERVING
        assert len((await stub.ListModels(pb.ListModelsRequest())).models) == 1
    await server.stop()


@pytest.mark.asyncio
async def test_reflection_lists_the_services_and_describes_them(serve: Any) -> None:
    speaking = ("hearken.v1.Speech", "google.cloud.speech.v1.Speech", "nvidia.riva.asr.RivaSpeechRecognition")
    questions = [ServerReflectionRequest(list_services="")]
    questions += [ServerReflectionRequest(file_containing_symbol=name) for name in speaking]
    async with serve() as running:
        call = ServerReflectionStub(running.channel).ServerReflectionInfo(iter(questions))
        answers = [answer async for answer in call]
    listed = {service.name for service in answers[0].list_services_response.service}
    assert listed == {
        *speaking,
        "google.longrunning.Operations",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    for answer in answers[1:]:
        files = map(FileDescriptorProto.FromString, answer.file_descriptor_response.file_descriptor_proto)
        methods = {method.name for file in files for service in file.service for method in service.method}
        assert {"Recognize", "StreamingRecognize"} <= methods


@pytest.mark.asyncio
async def test_the_metrics_page_shows_every_metric_with_its_help(serve: Any, fakes: ModuleType) -> None:
    async with serve() as running:
        requests = [CONFIG, pb.StreamingRecognizeRequest(audio=fakes.SPEECH)]
        assert [response async for response in running.stub.StreamingRecognize(iter(requests))]
        url = f"http://127.0.0.1:{running.server.metrics_port}/metrics"
        with await asyncio.to_thread(urllib.request.urlopen, url) as answer:
            page = answer.read().decode()
    assert "# HELP hearken_audio_seconds_total Audio received" in page
    assert "hearken_audio_seconds_total 0.25" in page
    assert 'hearken_streams_total{method="StreamingRecognize"} 1.0' in page
    assert "hearken_batch_size_count 2.0" in page
    for line in page.splitlines():
        assert line.lstrip("# ").split()[-1], line


@pytest.mark.asyncio
async def test_when_the_inference_thread_dies_health_says_not_serving(
    serve: Any, fakes: ModuleType, end_of: Any
) -> None:
    def die(streams: Sequence[Any]) -> None:
        raise SystemExit("the end")

    async with serve(fakes.FakeRecognizer(before_advance=die)) as running:
        requests = [CONFIG, pb.StreamingRecognizeRequest(audio=fakes.SPEECH)]
        call = running.stub.StreamingRecognize(iter(requests))
        code, details = await end_of(call)
        assert code is grpc.StatusCode.INTERNAL and "recognition has stopped on this server" in details
        async with asyncio.timeout(5):
            while await health_of(running.channel) == SERVING:
                await asyncio.sleep(0.005)


@pytest.mark.asyncio
async def test_running_streams_finish_while_the_server_stops_and_new_ones_are_turned_away(
    serve: Any, fakes: ModuleType, end_of: Any
) -> None:
    async with serve(drain_grace_s=10) as running:
        call = running.stub.StreamingRecognize()
        await call.write(CONFIG)
        assert (await call.read()).stream_id
        stopping = asyncio.create_task(running.server.stop())
        while await health_of(running.channel) == SERVING:
            await asyncio.sleep(0.005)
        late = running.stub.StreamingRecognize(iter([CONFIG]))
        code, details = await end_of(late)
        assert code is grpc.StatusCode.UNAVAILABLE and "shutting down" in details
        await call.write(pb.StreamingRecognizeRequest(audio=fakes.SPEECH))
        await call.done_writing()
        assert (await call.read()).results[0].is_final
        assert await call.code() is grpc.StatusCode.OK
        await stopping
        assert running.metric("hearken_streams_refused_total", reason="draining") == 1


def settings_with(**values: Any) -> Settings:
    return Settings(**{"port": 0, "metrics_port": 0, "drain_grace_s": 0, **values})


def test_a_model_that_does_not_load_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def load(settings: Settings) -> Any:
        raise PackageError(f"there is no model package {settings.model!r}")

    assert run(settings_with(model="klingon", log_level="error"), load) == 2
    assert capsys.readouterr().err == "hearken: there is no model package 'klingon'\n"


def test_a_default_latency_that_the_model_lacks_is_one_sentence_and_exit_code_2(
    fakes: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings_with(default_latency_ms=100), lambda settings: fakes.FakeRecognizer()) == 2
    assert "HEARKEN_DEFAULT_LATENCY_MS is 100; model 'fake' has 160, 320, 640\n" in capsys.readouterr().err


@pytest.mark.parametrize("field", ["port", "metrics_port"])
def test_a_port_in_use_is_one_sentence_and_exit_code_2(
    field: str, port_in_use: int, fakes: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings_with(**{field: port_in_use}), lambda settings: fakes.FakeRecognizer()) == 2
    said = capsys.readouterr().err
    assert f"127.0.0.1:{port_in_use}" in said and f"HEARKEN_{field.upper()}" in said and "in use" in said


@asynccontextmanager
async def fake_server(**settings: str) -> AsyncIterator[tuple[subprocess.Popen[str], grpc.aio.Channel]]:
    """A server process that is SERVING, and a channel to it."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("HEARKEN_")}
    environment = {
        **ours,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")]),
        "HEARKEN_PORT": "0",
        "HEARKEN_METRICS_PORT": "0",
        **settings,
    }
    process = subprocess.Popen([sys.executable, str(FAKE_SERVER)], env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = ""
        while "gRPC on" not in line:
            line = await asyncio.to_thread(process.stderr.readline)
            assert line, "the server ended before it listened"
        while "serving; " not in await asyncio.to_thread(process.stderr.readline):
            pass
        async with grpc.aio.insecure_channel(f"127.0.0.1:{line.strip().rpartition(':')[2]}") as channel:
            yield process, channel
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_running_streams_finish_and_exits_0(number: signal.Signals, fakes: ModuleType) -> None:
    async with fake_server() as (process, channel):
        assert await health_of(channel) == SERVING
        call = SpeechStub(channel).StreamingRecognize()
        await call.write(CONFIG)
        assert (await call.read()).model == "fake"
        process.send_signal(number)
        while await health_of(channel) == SERVING:
            await asyncio.sleep(0.01)
        await call.write(pb.StreamingRecognizeRequest(audio=fakes.SPEECH))
        await call.done_writing()
        assert (await call.read()).results[0].alternatives[0].transcript == "w1"
        assert await call.code() is grpc.StatusCode.OK
        assert await asyncio.to_thread(process.wait, 10) == 0


@pytest.mark.asyncio
async def test_streams_that_outlast_the_grace_are_ended_and_the_exit_code_is_0(end_of: Any) -> None:
    async with fake_server(HEARKEN_DRAIN_GRACE_S="0.1") as (process, channel):
        call = SpeechStub(channel).StreamingRecognize()
        await call.write(CONFIG)
        assert (await call.read()).model == "fake"
        process.send_signal(signal.SIGTERM)
        code, _ = await end_of(call)
        assert code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert await asyncio.to_thread(process.wait, 10) == 0


@pytest.mark.asyncio
async def test_a_second_signal_ends_the_process_at_once() -> None:
    async with fake_server() as (process, channel):
        call = SpeechStub(channel).StreamingRecognize()
        await call.write(CONFIG)
        assert (await call.read()).model == "fake"
        process.send_signal(signal.SIGTERM)
        while await health_of(channel) == SERVING:
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 5) == -signal.SIGTERM


@pytest.mark.asyncio
async def test_when_the_inference_thread_dies_every_stream_gets_a_status_and_the_process_exits_with_3(
    fakes: ModuleType, end_of: Any
) -> None:
    async with fake_server() as (process, channel), asyncio.timeout(10):
        waiting = SpeechStub(channel).StreamingRecognize()
        await waiting.write(CONFIG)
        assert (await waiting.read()).stream_id
        deadly = [CONFIG, pb.StreamingRecognizeRequest(audio=fakes.DEADLY)]
        assert (await end_of(SpeechStub(channel).StreamingRecognize(iter(deadly))))[0] is grpc.StatusCode.INTERNAL
        code, _ = await end_of(waiting)
        assert code is not grpc.StatusCode.OK
        assert await asyncio.to_thread(process.wait) == 3


async def reading(call: Any) -> tuple[list[str], grpc.StatusCode, str]:
    """The final texts of a call, and its end."""
    texts: list[str] = []
    with contextlib.suppress(grpc.aio.AioRpcError):
        while (response := await call.read()) is not grpc.aio.EOF:
            texts += [result.alternatives[0].transcript for result in response.results if result.is_final]
    return texts, await call.code(), await call.details() or ""


@pytest.mark.asyncio
async def test_a_drain_with_50_streams_loses_no_word_and_exits_0(fakes: ModuleType) -> None:
    words = 4
    async with fake_server(HEARKEN_DRAIN_GRACE_S="6") as (process, channel):
        calls = [SpeechStub(channel).StreamingRecognize() for _ in range(50)]
        for call in calls:
            await call.write(CONFIG)
            assert (await call.read()).stream_id
        process.send_signal(signal.SIGTERM)
        for _ in range(words):
            for call in calls:
                await call.write(pb.StreamingRecognizeRequest(audio=fakes.SPEECH))
        for call in calls[:10]:
            await call.done_writing()
        ends = await asyncio.gather(*map(reading, calls))
        assert await asyncio.to_thread(process.wait) == 0
    for texts, code, details in ends:
        assert texts == ["w1 w2 w3 w4"]
        assert code is grpc.StatusCode.OK or ("after 1.00 s of audio" in details and "reconnect" in details)
    assert [code for _, code, _ in ends] == [grpc.StatusCode.OK] * 10 + [grpc.StatusCode.UNAVAILABLE] * 40


@pytest.mark.asyncio
async def test_a_stream_without_an_end_is_ended_by_a_drain_at_a_pause(fakes: ModuleType) -> None:
    async with fake_server(HEARKEN_DRAIN_GRACE_S="3") as (process, channel):
        call = SpeechStub(channel).StreamingRecognize()
        await call.write(CONFIG)
        assert (await call.read()).stream_id
        process.send_signal(signal.SIGTERM)
        ending = asyncio.ensure_future(reading(call))
        with contextlib.suppress(asyncio.InvalidStateError):  # the call is over
            while not ending.done():
                for piece in (fakes.SPEECH, fakes.SPEECH, fakes.SPEECH, fakes.SILENCE):
                    await call.write(pb.StreamingRecognizeRequest(audio=piece))
                    await asyncio.sleep(0.02)
        texts, code, details = await ending
    assert code is grpc.StatusCode.UNAVAILABLE
    assert texts and all(len(text.split()) == 3 for text in texts), "no utterance is cut"
    assert re.search(r"after \d+\.00 s of audio", details)


@pytest.mark.asyncio
async def test_the_id_in_the_log_is_in_the_metadata_of_answers_and_refusals(
    serve: Any, end_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        async with serve(max_streams=1) as running:
            call = running.stub.StreamingRecognize()
            await call.write(CONFIG)
            stream_id = (await call.read()).stream_id
            assert dict(await call.initial_metadata())["hearken-stream-id"] == stream_id
            assert dict(await call.initial_metadata())["hearken-version"] == server_version()
            refused = running.stub.StreamingRecognize(iter([CONFIG]))
            assert (await end_of(refused))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
            refused_id = dict(await refused.initial_metadata())["hearken-stream-id"]
            call.cancel()
    assert f"stream {stream_id}: StreamingRecognize of" in caplog.text
    assert f"stream {refused_id}: RESOURCE_EXHAUSTED" in caplog.text


@pytest.mark.asyncio
async def test_health_over_http_follows_the_server(fakes: ModuleType) -> None:
    loaded = threading.Event()

    def load(settings: Settings) -> Any:
        assert loaded.wait(5)
        return fakes.FakeRecognizer()

    server = Server(Settings(port=0, metrics_port=0, drain_grace_s=0), load)
    await server.start()

    async def status(path: str) -> int:
        def ask() -> int:
            connection = http.client.HTTPConnection("127.0.0.1", server.metrics_port, timeout=5)
            with contextlib.closing(connection):
                connection.request("GET", path)
                return connection.getresponse().status

        return await asyncio.to_thread(ask)

    loading = asyncio.create_task(server.load())
    assert [await status(path) for path in ("/healthz", "/readyz", "/other")] == [200, 503, 404]
    loaded.set()
    await loading
    assert [await status(path) for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 200]
    server.broken.set()
    assert await status("/healthz") == 503
    await server.stop()


@pytest.mark.asyncio
async def test_what_a_caller_has_written_is_not_logged(
    serve: Any, end_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "my-private-name"
    config = pb.StreamingRecognizeRequest()
    config.CopyFrom(CONFIG)
    config.config.recognition.model = secret
    with caplog.at_level("INFO"):
        async with serve() as running:
            code, details = await end_of(running.stub.StreamingRecognize(iter([config])))
            config.config.recognition.model = ""
            config.config.recognition.phrase_hints.add(phrase=secret)
            _ = await end_of(running.stub.StreamingRecognize(iter([config])))
    assert code is grpc.StatusCode.INVALID_ARGUMENT and secret in details
    assert "INVALID_ARGUMENT, InvalidRequest" in caplog.text and secret not in caplog.text
