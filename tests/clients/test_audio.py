"""Recordings are read as they are meant, whatever their kind, and damaged ones are refused with a sentence."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import hearken
from hearken import _wav

SAMPLE = Path(__file__).parents[2] / "clients" / "samples" / "audio" / "rain.wav"
SAMPLES = np.array([0, 1, -1, 256, -256, 32767, -32768, 12345], dtype="<i2")
PCM_SUBFORMAT = struct.pack("<HHIH", 22, 24, 0, 1) + bytes.fromhex("000000001000800000aa00389b71")


def read(source: Any, **options: Any) -> bytes:
    return b"".join(hearken.AudioFile(source, **options))


def test_a_bundled_sample_is_read_as_soundfile_reads_it() -> None:
    audio = hearken.AudioFile(SAMPLE)
    samples, sample_rate_hz = soundfile.read(SAMPLE, dtype="int16")
    assert b"".join(audio) == samples.tobytes()
    assert audio.format == hearken.AudioFormat(hearken.Encoding.LINEAR16, sample_rate_hz, 1)
    assert audio.duration_s == pytest.approx(len(samples) / sample_rate_hz)
    assert repr(audio) == f"<AudioFile {SAMPLE!r} 16000 Hz 6.32 s>"


@pytest.mark.parametrize("sample_bits", [8, 16, 24, 32])
def test_pcm_of_any_width_becomes_16_bits(make_wav: Any, sample_bits: int) -> None:
    if sample_bits == 8:
        data = ((SAMPLES.astype(int) >> 8) + 128).astype("u1").tobytes()
        expected = (SAMPLES >> 8 << 8).tobytes()
    else:
        shifted = SAMPLES.astype("<i4") << 16
        data = shifted.view("u1").reshape(-1, 4)[:, 4 - sample_bits // 8 :].tobytes()
        expected = SAMPLES.tobytes()
    assert read(make_wav(data, sample_bits=sample_bits)) == expected


def test_lower_bits_are_cut_off(make_wav: Any) -> None:
    assert read(make_wav(b"\xff\x34\x12", sample_bits=24)) == b"\x34\x12"


@pytest.mark.parametrize(("kind", "encoding"), [(7, hearken.Encoding.MULAW), (6, hearken.Encoding.ALAW)])
def test_telephone_codes_go_through_unchanged(make_wav: Any, kind: int, encoding: hearken.Encoding) -> None:
    data = bytes(range(256))
    audio = hearken.AudioFile(make_wav(data, kind=kind, sample_bits=8, sample_rate_hz=8000))
    assert b"".join(audio) == data
    assert audio.format == hearken.AudioFormat(encoding, 8000, 1)


def test_the_extensible_format_is_read(make_wav: Any) -> None:
    assert read(make_wav(SAMPLES.tobytes(), kind=0xFFFE, extension=PCM_SUBFORMAT)) == SAMPLES.tobytes()


def test_further_chunks_are_skipped(make_wav: Any) -> None:
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    assert read(make_wav(SAMPLES.tobytes(), before_data=odd)) == SAMPLES.tobytes()


def test_what_stands_behind_the_samples_is_left_out(make_wav: Any) -> None:
    assert read(make_wav(SAMPLES.tobytes() + b"LIST....", data_bytes=16)) == SAMPLES.tobytes()


@pytest.mark.parametrize("claimed_bytes", [0, 0xFFFFFFFF])
def test_a_pipe_whose_length_nobody_knew_is_read_to_its_end(make_wav: Any, claimed_bytes: int) -> None:
    class Pipe(io.RawIOBase):
        """Gives a few bytes at a time and cannot be positioned."""

        def __init__(self, content: bytes) -> None:
            self._content = io.BytesIO(content)

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            return self._content.read(min(size, 7) if self._content.tell() > 44 else size)

    audio = hearken.AudioFile(Pipe(make_wav(SAMPLES.tobytes(), data_bytes=claimed_bytes)))  # type: ignore[arg-type]
    assert audio.duration_s is None
    assert b"".join(audio) == SAMPLES.tobytes()
    with pytest.raises(hearken.AudioError, match="once"):
        list(audio)


def test_a_recording_that_was_cut_off_is_read_as_far_as_it_goes(make_wav: Any) -> None:
    assert read(make_wav(SAMPLES.tobytes()[:-1], data_bytes=1000)) == SAMPLES.tobytes()[:-2]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda wav: wav[:30], id="cut inside the header"),
        pytest.param(lambda wav: wav[:12], id="nothing behind RIFF"),
        pytest.param(lambda wav: wav[:12] + wav[36:], id="samples before their format"),
        pytest.param(lambda wav: wav[:16] + b"\2\0\0\0\1\0" + wav[36:], id="short format"),
        pytest.param(lambda wav: wav[:16] + b"\xff\xff\0\0" + bytes(70_000), id="long format"),
        pytest.param(lambda wav: wav[:22] + b"\0\0" + wav[24:], id="no channels"),
    ],
)
def test_damaged_wav_is_refused(make_wav: Any, content: Any) -> None:
    with pytest.raises(hearken.AudioError, match="damaged"):
        hearken.AudioFile(content(make_wav(SAMPLES.tobytes())))


@given(st.binary(max_size=200))
def test_no_header_brings_more_than_an_audio_error(junk: bytes) -> None:
    content = b"RIFF\0\0\0\0WAVE" + junk
    with contextlib.suppress(hearken.AudioError):
        list(hearken.AudioFile(content))


@given(samples=st.lists(st.integers(-32768, 32767)), sample_bits=st.sampled_from([16, 24, 32]))
def test_16_bits_survive_in_any_width(samples: list[int], sample_bits: int) -> None:
    wide = b"".join((s << (sample_bits - 16)).to_bytes(sample_bits // 8, "little", signed=True) for s in samples)
    assert _wav.to_16_bit(wide, sample_bits) == struct.pack(f"<{len(samples)}h", *samples)


@pytest.mark.parametrize(("container", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("WAV", "FLOAT")])
def test_other_formats_are_read_through_soundfile(tmp_path: Path, make_tone: Any, container: str, subtype: str) -> None:
    samples = np.frombuffer(make_tone(0.5), dtype="<i2")
    path = tmp_path / "audio"
    soundfile.write(path, samples / 32768, 16_000, format=container, subtype=subtype)
    audio = hearken.AudioFile(path)
    decoded = np.frombuffer(b"".join(audio), dtype="<i2")
    tolerance = 2000 if subtype == "VORBIS" else 0
    assert abs(decoded.astype(int) - samples).max() <= tolerance
    assert audio.duration_s == 0.5


def test_floats_beyond_full_scale_are_clipped(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.array([2.0, -2.0], dtype=np.float32), 16_000, subtype="FLOAT")
    assert read(path) == struct.pack("<2h", 32767, -32768)


def test_another_format_from_a_pipe(tmp_path: Path, make_tone: Any) -> None:
    content = io.BytesIO()
    soundfile.write(content, np.frombuffer(make_tone(0.1), dtype="<i2"), 16_000, format="FLAC")
    content.seek(0)
    content.seekable = lambda: False  # type: ignore[method-assign]
    assert len(read(content)) == 3200


def test_float_wav_from_a_pipe_is_refused(make_wav: Any) -> None:
    content = io.BytesIO(make_wav(bytes(8), kind=3, sample_bits=32))
    content.seekable = lambda: False  # type: ignore[method-assign]
    with pytest.raises(hearken.AudioError, match="pipe"):
        hearken.AudioFile(content)


@pytest.mark.parametrize(("content", "sentence"), [(b"", "empty"), (b"hello, this is text", "no audio format known")])
def test_what_is_no_audio_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(hearken.AudioError, match=sentence):
        hearken.AudioFile(content)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(hearken.MissingExtra, match=r"pip install 'hearken\[audio\]'"):
        hearken.AudioFile(b"fLaC....")


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        hearken.AudioFile(tmp_path / "none.wav")


def test_raw_audio_needs_its_sample_rate(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    path.write_bytes(bytes(33_000))
    audio = hearken.AudioFile(path, sample_rate_hz=8000, channels=2)
    assert audio.format == hearken.AudioFormat(hearken.Encoding.LINEAR16, 8000, 2)
    assert audio.duration_s == 33_000 / 4 / 8000
    assert b"".join(audio) == bytes(33_000)
    assert b"".join(audio) == bytes(33_000)  # a path can be read again


@pytest.mark.parametrize(
    "said",
    [{"sample_rate_hz": 8000}, {"channels": 2}, {"encoding": hearken.Encoding.MULAW}],
    ids=lambda said: next(iter(said)),
)
def test_what_the_caller_says_must_fit_the_header(make_wav: Any, said: dict[str, Any]) -> None:
    with pytest.raises(hearken.AudioError, match="does not fit"):
        hearken.AudioFile(make_wav(SAMPLES.tobytes()), **said)


def test_chunks_have_the_length_asked_for(make_wav: Any, make_tone: Any) -> None:
    chunks = list(hearken.AudioFile(make_wav(make_tone(0.25)), chunk_ms=100))
    assert [len(chunk) for chunk in chunks] == [3200, 3200, 1600]


def test_paced_audio_comes_when_it_was_spoken(make_wav: Any, make_tone: Any) -> None:
    started_s = time.monotonic()
    arrivals_s = [time.monotonic() - started_s for _ in hearken.AudioFile(make_wav(make_tone(0.4)), pace=2.0)]
    assert all(arrival_s >= due_s for arrival_s, due_s in zip(arrivals_s, [0.05, 0.1, 0.15, 0.2], strict=True))


@pytest.mark.parametrize("options", [{"pace": 0.0}, {"chunk_ms": 0}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        hearken.AudioFile(SAMPLE, **options)
