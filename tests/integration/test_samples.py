"""Each sample program, run against the real server with speech."""

from __future__ import annotations

import re
import wave
from pathlib import Path
from typing import Any

import pytest

from hearken import Client
from tests.sample_programs import SOUNDDEVICE, sample

BOTH = ("rain.wav", "brook.wav")


@pytest.fixture(scope="module")
def texts(server: str, samples_dir: Path) -> list[str]:
    """What the server hears in the two recordings."""
    with Client(server) as client:
        return [client.transcribe(samples_dir / name).text for name in BOTH]


@pytest.fixture
def microphone(tmp_path: Path, samples_dir: Path) -> dict[str, Any]:
    (tmp_path / "sounddevice.py").write_text(SOUNDDEVICE)
    return {"path": tmp_path, "SOUND": str(samples_dir / BOTH[0])}


def test_transcribe_file(server: str, texts: list[str], samples_dir: Path) -> None:
    result = sample("transcribe_file.py", samples_dir / BOTH[0], server)
    assert (result.returncode, result.stderr) == (0, "")
    text, *words = result.stdout.splitlines()
    assert text == texts[0]
    assert [word.split()[-1] for word in words] == text.split()


def test_live_captions(server: str, texts: list[str], samples_dir: Path) -> None:
    result = sample("live_captions.py", samples_dir / BOTH[0], server)
    assert (result.returncode, result.stderr) == (0, "")
    captions = result.stdout.replace("\n\x1b[2K", "\r").split("\r")
    assert captions[-1].strip() == texts[0]
    assert len(captions) > 5


def test_subtitles(server: str, texts: list[str], samples_dir: Path, tmp_path: Path) -> None:
    recording = tmp_path / "talk.wav"
    recording.write_bytes((samples_dir / BOTH[0]).read_bytes())
    result = sample("subtitles.py", recording, server)
    assert (result.returncode, result.stderr) == (0, "")
    lines = recording.with_suffix(".srt").read_text().splitlines()
    spoken = [line for line in lines if line and "-->" not in line and not line.isdigit()]
    assert " ".join(spoken) == texts[0]


def test_call_recording(server: str, texts: list[str], samples_dir: Path, tmp_path: Path) -> None:
    _interleave([samples_dir / name for name in BOTH], tmp_path / "call.wav")
    result = sample("call_recording.py", tmp_path / "call.wav", server, "--names", "agent,customer")
    assert (result.returncode, result.stderr) == (0, "")
    said = {name: "" for name in ("agent", "customer")}
    for line in result.stdout.splitlines():
        name, _, text = line.partition(" ")[2].partition(": ")
        said[name] += re.sub("[.,?!]", "", text.lower())
    assert list(said.values()) == texts


def test_hotwords(server: str, texts: list[str], samples_dir: Path) -> None:
    arguments = [samples_dir / BOTH[0], "market", "Anna Kowalski", "--boost", "6", "--server", server]
    result = sample("hotwords.py", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    without, boosted = result.stdout.splitlines()
    assert without == f"without: {texts[0]}"
    assert "market" in boosted


def test_live_microphone(server: str, texts: list[str], microphone: dict[str, Any]) -> None:
    result = sample("live_microphone.py", server, **microphone)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1].removeprefix("\x1b[2K") == texts[0]


def test_meeting_recorder(server: str, texts: list[str], microphone: dict[str, Any], tmp_path: Path) -> None:
    result = sample("meeting_recorder.py", tmp_path / "meeting", server, **microphone)
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "meeting.txt").read_text() == f"00:00 {texts[0]}\n"
    with wave.open(str(tmp_path / "meeting.wav")) as wav:
        assert wav.getnframes() > 0


def _interleave(sides: list[Path], call: Path) -> None:
    tracks = []
    for side in sides:
        with wave.open(str(side)) as wav:
            rate_hz, audio = wav.getframerate(), wav.readframes(wav.getnframes())
        tracks.append(audio)
    length = max(map(len, tracks))
    channels = [track.ljust(length, b"\0") for track in tracks]
    with wave.open(str(call), "wb") as wav:
        wav.setnchannels(len(channels))
        wav.setsampwidth(2)
        wav.setframerate(rate_hz)
        wav.writeframes(b"".join(track[i : i + 2] for i in range(0, length, 2) for track in channels))
