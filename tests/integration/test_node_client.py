"""clients/node against a real server: a file, a microphone's pipe, and a server that says no."""

from __future__ import annotations

import shutil
import subprocess
import wave
from pathlib import Path

import pytest

from hearken import Client

ROOT = Path(__file__).parents[2] / "clients" / "node"


@pytest.fixture(scope="module")
def captions() -> list[str]:
    """The command, built from its sources."""
    if shutil.which("node") is None or not (ROOT / "node_modules").is_dir():
        pytest.skip("THE NODE CLIENT IS NOT TESTED: install Node, and run `npm ci` in clients/node")
    built = subprocess.run(["npm", "run", "build"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stdout + built.stderr
    return ["node", str(ROOT / "dist" / "captions.js")]


def test_a_file_gives_the_text_that_the_python_sdk_gets(captions: list[str], server: str, samples_dir: Path) -> None:
    file = samples_dir / "rain.wav"
    ran = subprocess.run([*captions, "--server", server, file], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    with Client(server) as client:
        assert " ".join(ran.stdout.split()) == client.transcribe(file.read_bytes()).text
    assert len(ran.stderr.splitlines()) > 3, "interim results"


def test_a_pipe_of_raw_audio_gives_the_same(captions: list[str], server: str, samples_dir: Path) -> None:
    with wave.open(str(samples_dir / "rain.wav")) as file:
        audio, rate_hz = file.readframes(file.getnframes()), file.getframerate()
    ran = subprocess.run(
        [*captions, "--server", server, "--rate", str(rate_hz), "-"], input=audio, capture_output=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    with Client(server) as client:
        expected = client.transcribe((samples_dir / "rain.wav").read_bytes()).text
    assert " ".join(ran.stdout.decode().split()) == expected


def test_a_server_that_says_no_and_one_that_is_not_there_are_told(captions: list[str], server: str) -> None:
    no_audio = subprocess.run([*captions, "--server", server, "-"], input=b"text", capture_output=True, timeout=120)
    assert no_audio.returncode == 1 and no_audio.stderr.startswith(b"INVALID_ARGUMENT: "), no_audio.stderr
    nobody = subprocess.run([*captions, "--server", "127.0.0.1:1", "-"], input=b"", capture_output=True, timeout=120)
    assert nobody.returncode == 1 and nobody.stderr.startswith(b"UNAVAILABLE: "), nobody.stderr
