"""Each sample does what it says, against the fake server."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import pytest

from tests.clients.marked_speech import MarkedServer, Proxy, marked_audio
from tests.sample_programs import SAMPLES, SOUNDDEVICE, sample


@pytest.fixture
def recording(tmp_path: Path, make_wav: Any, make_tone: Any) -> Path:
    path = tmp_path / "mine.wav"
    path.write_bytes(make_wav(make_tone(0.5)))
    return path


def test_transcribe_file(server: Any, recording: Path) -> None:
    result = sample("transcribe_file.py", recording, server.address)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("good morning is anybody there\n   0.00 s  good\n")


def test_live_captions(server: Any, recording: Path) -> None:
    result = sample("live_captions.py", recording, server.address)
    assert (result.returncode, result.stderr) == (0, "")
    erase = "\n\x1b[2K"  # the carriage return, as Python reads it from a pipe
    assert result.stdout == f"{erase}good\x1b[90m\x1b[0m{erase}good morning\n{erase}is anybody there\n"
    assert server.speech.configs[0].interim_results


def test_subtitles(server: Any, recording: Path) -> None:
    result = sample("subtitles.py", recording, server.address)
    assert (result.returncode, result.stderr, result.stdout) == (0, "", "5 words in 0.5 s of audio\n")
    assert recording.with_suffix(".srt").read_text().startswith("1\n00:00:00,000 --> 00:00:01,500\ngood morning\n")
    assert recording.with_suffix(".vtt").read_text().startswith("WEBVTT\n\n00:00:00.000 -->")


def test_a_meeting_recorder_survives_reconnects(tmp_path: Path, make_wav: Any) -> None:
    (tmp_path / "sounddevice.py").write_text(SOUNDDEVICE)
    audio = b"".join(marked_audio(150, seed=3))
    (tmp_path / "sound.wav").write_bytes(make_wav(audio))
    server = MarkedServer()
    proxy = Proxy(server.port, [("client", 100_000), ("server", 200), ("client", 120_000)])
    result = sample(
        "meeting_recorder.py", tmp_path / "meeting", proxy.address, path=tmp_path, SOUND=str(tmp_path / "sound.wav")
    )
    proxy.close()
    server.kill()
    assert (result.returncode, result.stderr, proxy.cut_count) == (0, "", 3)
    with wave.open(str(tmp_path / "meeting.wav")) as wav:
        assert wav.readframes(len(audio)) == audio
    lines = (tmp_path / "meeting.txt").read_text().splitlines()
    assert " ".join(line.partition(" ")[2] for line in lines).split() == [f"w{i}" for i in range(1, 151)]
    assert [line.partition(" ")[0] for line in lines] == sorted(line.partition(" ")[0] for line in lines)


@pytest.mark.parametrize("arguments", [["live_microphone.py"], ["meeting_recorder.py", "meeting"]])
def test_samples_with_a_microphone_say_what_is_missing(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['sounddevice'] = None\n")
    result = sample(*arguments, path=tmp_path)
    assert result.returncode == 1
    assert "pip install 'hearken[mic]'" in result.stderr


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.py") if path.name != "demo.py"))
def test_samples_are_short_and_say_what_they_need(name: str) -> None:
    lines = (SAMPLES / name).read_text().splitlines()
    assert len(lines) < 60
    assert lines[0] == "# /// script"
