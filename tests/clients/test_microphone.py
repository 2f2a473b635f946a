"""The microphone, with a fake of sounddevice: machines that run tests have none."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

import hearken


class PortAudioError(Exception):
    pass


class FakeInput:
    """As sounddevice.RawInputStream: gives the number of each chunk; fails or overflows when told to."""

    def __init__(self, **settings: Any) -> None:
        if settings["device"] == "none":
            raise PortAudioError("no such device")
        self.settings = settings
        self.stopped = True
        self.is_closed = False
        self.chunk = 0
        self.fails_at: int | None = None
        self.overflows_at: int | None = None

    def start(self) -> None:
        self.stopped = False

    def read(self, frame_count: int) -> tuple[bytes, bool]:
        if self.chunk == self.fails_at:
            raise PortAudioError("unplugged")
        self.chunk += 1
        return bytes([self.chunk % 256]) * 2 * frame_count, self.chunk == self.overflows_at

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def sounddevice(monkeypatch: pytest.MonkeyPatch) -> list[FakeInput]:
    opened: list[FakeInput] = []

    def open_input(**settings: Any) -> FakeInput:
        opened.append(FakeInput(**settings))
        return opened[-1]

    fake = SimpleNamespace(RawInputStream=open_input, PortAudioError=PortAudioError)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return opened


def test_it_is_recognized_until_it_is_stopped(server: Any, caller: Any, sounddevice: list[FakeInput]) -> None:
    with hearken.Microphone(sample_rate_hz=8000, chunk_ms=50) as microphone:

        def three_chunks(requests: Any, context: Any) -> Any:
            for _ in range(3):
                server.speech.audio.append(next(requests).audio)
            microphone.stop()
            server.speech.take(requests)
            yield from ()

        server.speech.script = three_chunks
        caller.stream(server.address, microphone)
    audio = b"".join(server.speech.audio)
    assert audio.startswith(b"\1" * 800 + b"\2" * 800 + b"\3" * 800)
    assert server.speech.configs[0].audio.sample_rate_hz == 8000
    assert sounddevice[0].settings["channels"] == 1
    assert sounddevice[0].is_closed


def test_lost_audio_is_logged(sounddevice: list[FakeInput], caplog: pytest.LogCaptureFixture) -> None:
    microphone = hearken.Microphone()
    sounddevice[0].overflows_at = 1
    next(iter(microphone))
    assert "lost" in caplog.text


def test_an_unplugged_microphone_is_an_audio_error(server: Any, caller: Any, sounddevice: list[FakeInput]) -> None:
    with hearken.Microphone() as microphone:
        sounddevice[0].fails_at = 2
        with pytest.raises(hearken.AudioError, match="unplugged"):
            caller.stream(server.address, microphone)


def test_a_device_that_is_not_there_is_an_audio_error() -> None:
    with pytest.raises(hearken.AudioError, match="no such device"):
        hearken.Microphone(device="none")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(hearken.MissingExtra, match=r"pip install 'hearken\[mic\]'"):
        hearken.Microphone()
