"""The demonstration, with a small program in the place of the real server."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.programs import program

REPOSITORY = Path(__file__).parents[2]
SAMPLES = REPOSITORY / "clients" / "samples"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY / "clients" / "python")}
PATIENCE_S = 60

# Loads for a moment, then hears the same in every recording; ends as SCENARIO says.
SERVICE = """
import os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from hearken.v1 import speech_pb2 as pb
from hearken.v1.speech_pb2_grpc import SpeechServicer, add_SpeechServicer_to_server

class Speech(SpeechServicer):
    def StreamingRecognize(self, requests, context):
        assert next(requests).config.recognition.word_info
        heard = 0
        for request in requests:
            heard += len(request.audio) / 32000
            yield pb.StreamingRecognizeResponse(
                results=[pb.Result(alternatives=[pb.Alternative(transcript="the rain")])],
                clock=pb.AudioClock(received_s=heard, recognized_s=heard - 0.05))
        words = [pb.Word(word=word, start_s=i / 2, end_s=i / 2 + 0.4) for i, word in enumerate(TEXT.split())]
        yield pb.StreamingRecognizeResponse(
            results=[pb.Result(is_final=True, alternatives=[pb.Alternative(transcript=TEXT, words=words)])])

SCENARIO = os.environ["SCENARIO"]
TEXT = "nothing of it" if SCENARIO == "deaf" else "the rain has stopped at last"
if SCENARIO == "broken":
    sys.exit("there is no model")
server = grpc.server(ThreadPoolExecutor(4))
healthy = health.HealthServicer()
health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
healthy.set("hearken.v1.Speech", health_pb2.HealthCheckResponse.NOT_SERVING)
add_SpeechServicer_to_server(Speech(), server)
server.add_insecure_port(f"127.0.0.1:{os.environ['HEARKEN_PORT']}")
server.start()
time.sleep(0.3)
healthy.set("hearken.v1.Speech", health_pb2.HealthCheckResponse.SERVING)
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
stop.wait()
server.stop(1).wait()
sys.exit(3 if SCENARIO == "crashes at the end" else 0)
"""


def beginning_of(recording: Path) -> bytes:
    """The first second; a demonstration takes as long as its recordings."""
    content = io.BytesIO()
    with wave.open(str(recording)) as whole, wave.open(content, "wb") as short:
        short.setparams(whole.getparams())
        short.writeframes(whole.readframes(whole.getframerate()))
    return content.getvalue()


def demo(tmp_path: Path, recording: Path | None, scenario: str) -> subprocess.CompletedProcess[str]:
    """Runs the demonstration of a repository whose service is the above."""
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__main__.py").write_text(SERVICE)
    folder = tmp_path / "clients" / "samples"
    folder.mkdir(parents=True)
    (folder / "demo.py").write_bytes((SAMPLES / "demo.py").read_bytes())
    if recording is None:
        (folder / "audio").mkdir()
        (folder / "audio" / "rain.wav").write_bytes(beginning_of(SAMPLES / "audio" / "rain.wav"))
        header, first, *_ = (SAMPLES / "audio" / "transcripts.tsv").read_text().splitlines()
        (folder / "audio" / "transcripts.tsv").write_text(f"{header}\n{first}\n")
    return subprocess.run(
        [sys.executable, folder / "demo.py", *([] if recording is None else [recording])],
        env=ENVIRONMENT | {"SCENARIO": scenario},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


@pytest.fixture
def recording(tmp_path: Path, make_wav: Any, make_tone: Any) -> Path:
    path = tmp_path / "mine.wav"
    path.write_bytes(make_wav(make_tone(0.3)))
    return path


def test_the_bundled_recordings_are_heard_and_compared(tmp_path: Path) -> None:
    result = demo(tmp_path, None, "good")
    assert (result.returncode, result.stderr) == (0, "")
    assert "\nthe rain has stopped at last\n" in result.stdout
    assert "words right     6 of 21" in result.stdout
    assert "text behind     0.05 s" in result.stdout
    assert result.stdout.endswith("the server has stopped\n")
    assert "\x1b" not in result.stdout


def test_the_user_may_bring_a_recording(tmp_path: Path, recording: Path) -> None:
    result = demo(tmp_path, recording, "good")
    assert (result.returncode, result.stderr) == (0, "")
    assert "words right" not in result.stdout


@pytest.mark.parametrize(
    ("scenario", "sentence"),
    [
        ("broken", "the server ended with exit code 1; it said:\nthere is no model"),
        ("crashes at the end", "the server stopped with exit code 3"),
    ],
)
def test_a_server_that_fails_fails_the_demonstration(
    tmp_path: Path, recording: Path, scenario: str, sentence: str
) -> None:
    result = demo(tmp_path, recording, scenario)
    assert result.returncode == 1
    assert result.stderr.startswith(f"the demonstration failed: {sentence}")


def test_a_server_that_understands_nothing_fails_the_demonstration(tmp_path: Path) -> None:
    result = demo(tmp_path, None, "deaf")
    assert result.returncode == 1
    assert "none of the words was recognized" in result.stderr


def test_a_missing_recording_is_told_before_a_server_is_started(tmp_path: Path) -> None:
    result = demo(tmp_path, tmp_path / "none.wav", "broken")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"the demonstration failed: {tmp_path / 'none.wav'}: No such file or directory\n"


def test_a_server_that_runs_already_is_used_and_left_running(tmp_path: Path, recording: Path) -> None:
    service = tmp_path / "service.py"
    service.write_text(SERVICE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = ENVIRONMENT | {"SCENARIO": "good", "HEARKEN_PORT": str(port)}
    with program([sys.executable, service], env=environment) as server:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            grpc.channel_ready_future(channel).result(PATIENCE_S)
        ran = subprocess.run(
            [sys.executable, SAMPLES / "demo.py", "--server", f"127.0.0.1:{port}", recording],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "\nthe rain has stopped at last\n" in ran.stdout and "starting a server" not in ran.stdout
        assert server.poll() is None
