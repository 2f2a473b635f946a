"""A small speech server of our own, whose answers a test writes, and both clients behind one interface.

The real server is tested in tests/service and tests/integration.
"""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

import hearken
from hearken.v1 import speech_pb2 as pb
from hearken.v1.speech_pb2_grpc import SpeechServicer, add_SpeechServicer_to_server

SAMPLE_RATE_HZ = 16_000

Script = Callable[
    [Iterator[pb.StreamingRecognizeRequest], grpc.ServicerContext], Iterable[pb.StreamingRecognizeResponse]
]


def final(text: str, start_s: float = 0.0, end_s: float = 1.0, utterance: int = 0) -> pb.StreamingRecognizeResponse:
    """A response with one final result whose words share its time evenly."""
    words = text.split()
    step_s = (end_s - start_s) / max(1, len(words))
    alternative = pb.Alternative(
        transcript=text,
        confidence=0.5,
        words=[
            pb.Word(word=word, start_s=start_s + i * step_s, end_s=start_s + (i + 1) * step_s)
            for i, word in enumerate(words)
        ],
    )
    return pb.StreamingRecognizeResponse(
        results=[
            pb.Result(
                alternatives=[alternative],
                is_final=True,
                stability=1.0,
                start_s=start_s,
                end_s=end_s,
                utterance=utterance,
                language="en-US",
            )
        ],
        clock=pb.AudioClock(received_s=end_s, recognized_s=end_s),
    )


def interim(text: str, committed_chars: int = 0) -> pb.StreamingRecognizeResponse:
    """A response with one interim result."""
    return pb.StreamingRecognizeResponse(
        results=[
            pb.Result(
                alternatives=[pb.Alternative(transcript=text)],
                stability=0.5,
                end_s=0.5,
                committed_chars=committed_chars,
            )
        ],
        clock=pb.AudioClock(received_s=1.0, recognized_s=0.75),
    )


def without_words(response: pb.StreamingRecognizeResponse) -> pb.StreamingRecognizeResponse:
    """The same for a caller who has not asked for words."""
    for result in response.results:
        for alternative in result.alternatives:
            del alternative.words[:]
    return response


class FakeSpeech(SpeechServicer):
    """Remembers what it gets; answers as `script` says."""

    def __init__(self) -> None:
        self.configs: list[pb.StreamingConfig] = []
        self.audio: list[bytes] = []
        self.recognized: list[pb.RecognizeRequest] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.contexts: list[grpc.ServicerContext] = []
        self.script: Script = self.hear_all
        self.unary_failures: list[grpc.StatusCode] = []
        """Statuses of the next unary calls; then they succeed."""

    def hear_all(
        self, requests: Iterator[pb.StreamingRecognizeRequest], _: grpc.ServicerContext
    ) -> Iterable[pb.StreamingRecognizeResponse]:
        yield pb.StreamingRecognizeResponse(model="fake", stream_id="s1", clock=pb.AudioClock())
        self.take(requests)
        yield interim("good", committed_chars=4)
        yield final("good morning", 0.0, 1.5)
        yield final("is anybody there", 2.0, 4.0, utterance=1)

    def take(self, requests: Iterator[pb.StreamingRecognizeRequest]) -> None:
        """Reads all audio."""
        for request in requests:
            assert request.WhichOneof("request") == "audio"
            self.audio.append(request.audio)

    def StreamingRecognize(
        self, requests: Iterator[pb.StreamingRecognizeRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.StreamingRecognizeResponse]:
        self._admit(context)
        first = next(requests)
        assert first.WhichOneof("request") == "config"
        self.configs.append(first.config)
        for response in self.script(requests, context):
            yield response if first.config.recognition.word_info else without_words(response)

    def Recognize(self, request: pb.RecognizeRequest, context: grpc.ServicerContext) -> pb.RecognizeResponse:
        self._admit(context)
        self._fail(context)
        self.recognized.append(request)
        responses = [final("good morning", 0.0, 1.5), final("is anybody there", 2.0, 4.0, 1)]
        if not request.recognition.word_info:
            responses = list(map(without_words, responses))
        results = [result for response in responses for result in response.results]
        return pb.RecognizeResponse(results=results, audio_s=len(request.audio) / 2 / SAMPLE_RATE_HZ, model="fake")

    def ListModels(self, _: pb.ListModelsRequest, context: grpc.ServicerContext) -> pb.ListModelsResponse:
        self._admit(context)
        self._fail(context)
        model = pb.Model(
            name="fake",
            language="en-US",
            sample_rate_hz=SAMPLE_RATE_HZ,
            latencies=[pb.LATENCY_160_MS, pb.LATENCY_640_MS],
            default_latency=pb.LATENCY_640_MS,
            features=["word_info"],
            word_error_rates=[pb.WordErrorRate(test_set="clean", setting="final", percent=12.5)],
            description="a fake",
        )
        return pb.ListModelsResponse(models=[model], server_version="0.0.9")

    def _admit(self, context: grpc.ServicerContext) -> None:
        self.contexts.append(context)
        self.metadata.append(dict(context.invocation_metadata()))

    def _fail(self, context: grpc.ServicerContext) -> None:
        if self.unary_failures:
            context.abort(self.unary_failures.pop(0), "as the test wants it")


class RunningServer:
    """A FakeSpeech behind a port. credentials: for TLS."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.speech = FakeSpeech()
        self._threads = ThreadPoolExecutor(max_workers=8)
        self._server = grpc.server(self._threads)
        add_SpeechServicer_to_server(self.speech, self._server)
        if credentials is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self._server.add_secure_port("localhost:0", credentials)
        self.address = f"127.0.0.1:{self.port}"
        self._server.start()

    def stop(self) -> None:
        """Ends all calls at once, as a server does that dies."""
        self._server.stop(None).wait()
        self._threads.shutdown()


class SyncCaller:
    """The client without asyncio, one connection a call."""

    @staticmethod
    def stream(
        server: str, audio: Any, connection: dict[str, Any] | None = None, **options: Any
    ) -> list[hearken.Result]:
        with hearken.Client(server, **(connection or {})) as client:
            return list(client.stream(audio, **options))

    @staticmethod
    def transcribe(
        server: str, audio: Any, connection: dict[str, Any] | None = None, **options: Any
    ) -> hearken.Transcript:
        with hearken.Client(server, **(connection or {})) as client:
            return client.transcribe(audio, **options)

    @staticmethod
    def models(server: str, connection: dict[str, Any] | None = None, **options: Any) -> tuple[hearken.Model, ...]:
        with hearken.Client(server, **(connection or {})) as client:
            return client.models(**options)

    @staticmethod
    def server_version(server: str) -> str:
        with hearken.Client(server) as client:
            return client.server_version()


class AsyncCaller:
    """The same with asyncio; what can be iterated over without it is also handed over as it is."""

    @staticmethod
    def stream(
        server: str, audio: Any, connection: dict[str, Any] | None = None, **options: Any
    ) -> list[hearken.Result]:
        async def call() -> list[hearken.Result]:
            async with hearken.AsyncClient(server, **(connection or {})) as client:
                return [result async for result in client.stream(audio, **options)]

        return asyncio.run(call())

    @staticmethod
    def transcribe(
        server: str, audio: Any, connection: dict[str, Any] | None = None, **options: Any
    ) -> hearken.Transcript:
        async def call() -> hearken.Transcript:
            async with hearken.AsyncClient(server, **(connection or {})) as client:
                return await client.transcribe(audio, **options)

        return asyncio.run(call())

    @staticmethod
    def models(server: str, connection: dict[str, Any] | None = None, **options: Any) -> tuple[hearken.Model, ...]:
        async def call() -> tuple[hearken.Model, ...]:
            async with hearken.AsyncClient(server, **(connection or {})) as client:
                return await client.models(**options)

        return asyncio.run(call())

    @staticmethod
    def server_version(server: str) -> str:
        async def call() -> str:
            async with hearken.AsyncClient(server) as client:
                return await client.server_version()

        return asyncio.run(call())


def wav_bytes(
    samples: bytes,
    *,
    kind: int = 1,
    channels: int = 1,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
    sample_bits: int = 16,
    data_bytes: int | None = None,
    before_data: bytes = b"",
    extension: bytes = b"",
) -> bytes:
    """A WAV file made by hand. data_bytes: a length to claim; before_data: further chunks; extension: of the format."""
    frame_bytes = channels * sample_bits // 8
    fmt = struct.pack("<HHIIHH", kind, channels, sample_rate_hz, sample_rate_hz * frame_bytes, frame_bytes, sample_bits)
    fmt += extension
    claimed = len(samples) if data_bytes is None else data_bytes
    body = (
        b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + before_data + b"data" + struct.pack("<I", claimed) + samples
    )
    return b"RIFF" + struct.pack("<I", min(len(body), 0xFFFFFFFF)) + body


def tone(duration_s: float) -> bytes:
    """16-bit samples of a tone."""
    count = int(duration_s * SAMPLE_RATE_HZ)
    return struct.pack(f"<{count}h", *(int(8000 * math.sin(i / 6)) for i in range(count)))


async def asynchronous(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The same chunks, asynchronously."""
    for chunk in chunks:
        yield chunk


@pytest.fixture
def make_final() -> Any:
    return final


@pytest.fixture
def make_interim() -> Any:
    return interim


@pytest.fixture
def make_wav() -> Any:
    return wav_bytes


@pytest.fixture
def make_tone() -> Any:
    return tone


@pytest.fixture
def make_async() -> Any:
    return asynchronous


@pytest.fixture
def start_server() -> Iterator[Callable[..., RunningServer]]:
    """Starts servers that stop after the test."""
    servers: list[RunningServer] = []

    def start(credentials: grpc.ServerCredentials | None = None) -> RunningServer:
        servers.append(RunningServer(credentials))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def server(start_server: Callable[..., RunningServer]) -> RunningServer:
    return start_server()


@pytest.fixture(scope="module")
def shared_server() -> Iterator[RunningServer]:
    """For property tests, which may not have a new server for each example."""
    server = RunningServer()
    yield server
    server.stop()


@pytest.fixture(params=[SyncCaller, AsyncCaller], ids=["sync", "async"])
def caller(request: pytest.FixtureRequest) -> Any:
    return request.param()
