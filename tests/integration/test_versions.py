"""Callers and servers of the last release work with those of today: tests/protos/released holds what they speak.

That today's protocol keeps its promises is left to tests/protos/test_no_breaking_change.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hearken import Client
from tests.programs import program

RELEASED = Path(__file__).parents[1] / "protos" / "released"

OLD_CALLER = """
import sys, wave
import grpc
from hearken.v1 import speech_pb2 as pb
from hearken.v1.speech_pb2_grpc import SpeechStub

server, recording = sys.argv[1:]
with wave.open(recording) as wav:
    audio = wav.readframes(wav.getnframes())

def requests():
    format = pb.AudioConfig(encoding="LINEAR16", sample_rate_hz=16000)
    yield pb.StreamingRecognizeRequest(config=pb.StreamingConfig(audio=format, interim_results=True))
    for start in range(0, len(audio), 3200):
        yield pb.StreamingRecognizeRequest(audio=audio[start : start + 3200])

speech = SpeechStub(grpc.insecure_channel(server))
assert speech.ListModels(pb.ListModelsRequest()).models
results = [result for response in speech.StreamingRecognize(requests()) for result in response.results]
assert not results[0].is_final
print(" ".join(result.alternatives[0].transcript for result in results if result.is_final))
"""

OLD_SERVER = """
from concurrent.futures import ThreadPoolExecutor
import grpc
from hearken.v1 import speech_pb2 as pb
from hearken.v1.speech_pb2_grpc import SpeechServicer, add_SpeechServicer_to_server

FINAL = pb.Result(is_final=True, alternatives=[pb.Alternative(transcript="good morning")])

class Speech(SpeechServicer):
    def StreamingRecognize(self, requests, context):
        for request in requests:
            pass
        yield pb.StreamingRecognizeResponse(results=[FINAL])
    def Recognize(self, request, context):
        return pb.RecognizeResponse(results=[FINAL], audio_s=len(request.audio) / 32000)
    def ListModels(self, request, context):
        return pb.ListModelsResponse(models=[pb.Model(name="old")])

server = grpc.server(ThreadPoolExecutor())
add_SpeechServicer_to_server(Speech(), server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
input()
"""


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a program whose stubs are those of the last release."""
    pytest.importorskip("grpc_tools", reason="grpcio-tools, of the development extra, is not installed")
    folder = tmp_path_factory.mktemp("released")
    outputs = [f"--{kind}_out={folder}" for kind in ("python", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={RELEASED}", *outputs]
    subprocess.run([*command, "hearken/v1/speech.proto"], check=True)
    for package in ("hearken", "hearken/v1"):
        (folder / package / "__init__.py").touch()
    return os.environ | {"PYTHONPATH": str(folder)}


@pytest.fixture
def old_server(released: dict[str, str]) -> Iterator[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with program([sys.executable, "-c", OLD_SERVER], env=released, **pipes) as process:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"
        process.communicate("\n")


def test_a_caller_of_the_last_release_is_understood(server: str, released: dict[str, str], samples_dir: Path) -> None:
    recording = samples_dir / "rain.wav"
    command = [sys.executable, "-c", OLD_CALLER, server, str(recording)]
    run = subprocess.run(command, env=released, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    with Client(server) as client:
        assert run.stdout.strip() == client.transcribe(recording).text


def test_a_server_of_the_last_release_is_understood(old_server: str) -> None:
    with Client(old_server) as client:
        (model,) = client.models()
        assert model.name == "old"
        assert client.server_version() == ""
        assert client.transcribe([bytes(3200)], sample_rate_hz=16_000).text == "good morning"
        assert [result.text for result in client.stream([bytes(3200)], sample_rate_hz=16_000)] == ["good morning"]
