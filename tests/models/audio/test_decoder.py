"""Audio bytes become the same samples however they are cut; what cannot be right is refused with advice."""

from __future__ import annotations

import io
import math
import struct
import wave

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.audio import AudioDecoder, StreamingResampler
from models.errors import InvalidAudio
from models.types import AudioFormat, Encoding

HEADED = AudioFormat()
PCM16K = AudioFormat(Encoding.LINEAR16, 16_000, 1)


def decode(data: bytes, declared: AudioFormat = HEADED, cut: int = 1000) -> torch.Tensor:
    decoder, pieces = AudioDecoder(declared), []
    for at in range(0, len(data), cut):
        pieces += decoder.accept(data[at : at + cut])
    return joined([*pieces, *decoder.finish()])


def joined(pieces: list[torch.Tensor]) -> torch.Tensor:
    """[N] of the first channel."""
    return torch.cat(pieces, dim=1)[0] if pieces else torch.zeros(0)


def wav(samples: bytes, rate_hz: int = 16_000, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, width, rate_hz, 0, "NONE", ""))
        writer.writeframes(samples)
    return file.getvalue()


def tone(rate_hz: int, seconds: float = 0.5) -> bytes:
    count = int(rate_hz * seconds)
    return struct.pack(f"<{count}h", *(int(12_000 * math.sin(2 * math.pi * 440 * i / rate_hz)) for i in range(count)))


@settings(max_examples=40)
@given(
    rate_hz=st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 12_345]),
    cuts=st.lists(st.integers(1, 999), min_size=1, max_size=20),
    headed=st.booleans(),
)
def test_any_cutting_gives_the_same_samples(rate_hz: int, cuts: list[int], headed: bool) -> None:
    data = wav(tone(rate_hz), rate_hz) if headed else tone(rate_hz)
    declared = AudioFormat() if headed else AudioFormat(Encoding.LINEAR16, rate_hz, 1)
    decoder, pieces, at = AudioDecoder(declared), [], 0
    while at < len(data):
        for cut in cuts:
            pieces += decoder.accept(data[at : at + cut])
            at += cut
    pieces += decoder.finish()
    assert torch.equal(joined(pieces), decode(data, declared, cut=len(data)))


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_resampling_keeps_a_tone_and_its_length(rate_hz: int) -> None:
    samples = decode(tone(rate_hz), AudioFormat(Encoding.LINEAR16, rate_hz, 1))
    wanted = torch.sin(2 * math.pi * 440 * torch.arange(8_000) / 16_000) * 12_000 / 32_768
    assert len(samples) == 8_000
    torch.testing.assert_close(samples[100:-100], wanted[100:-100], atol=2e-3, rtol=0)


def test_a_rate_without_a_small_ratio_is_resampled_all_the_same() -> None:
    resampler = StreamingResampler(44_099, channels=1)
    total = resampler.accept(torch.zeros(1, 44_099)).shape[1] + resampler.finish().shape[1]
    assert abs(total - 16_000) <= 16


def test_channels_are_mixed() -> None:
    left_and_right = struct.pack("<4h", 1_000, 3_000, -2_000, -4_000)
    mixed = decode(left_and_right, AudioFormat(Encoding.LINEAR16, 16_000, 2))
    assert (mixed * 32_768).tolist() == [2_000, -3_000]


def test_g711_decodes_its_landmarks() -> None:
    mulaw = decode(bytes([0xFF, 0x7F, 0x80, 0x00]), AudioFormat(Encoding.MULAW, 16_000, 1))
    alaw = decode(bytes([0xD5, 0x55, 0xAA, 0x2A]), AudioFormat(Encoding.ALAW, 16_000, 1))
    assert (mulaw * 32_768).tolist() == [0, 0, 32_124, -32_124]
    assert (alaw * 32_768).tolist() == [8, -8, 32_256, -32_256]


def test_what_follows_the_data_of_a_wav_file_is_not_audio() -> None:
    samples = tone(16_000)
    assert torch.equal(decode(wav(samples) + b"LIST\x04\x00\x00\x00abcd"), decode(samples, PCM16K))


def test_wav_files_one_after_the_other_are_one_recording() -> None:
    samples = tone(16_000)
    twice = wav(samples) + b"LIST\x04\x00\x00\x00abcd" + wav(samples)
    assert torch.equal(decode(twice, cut=7), decode(samples * 2, PCM16K))


@pytest.mark.parametrize("cut", [1, 3, 1000])
def test_a_true_wav_header_in_the_middle_of_raw_samples_is_not_heard(cut: int) -> None:
    samples = tone(16_000, 0.05)
    assert torch.equal(decode(samples + wav(samples), PCM16K, cut), decode(samples * 2, PCM16K))


FLAC_BEGINNING = b"fLaC\x00\x00\x00\x22"
OGG_BEGINNING = b"OggS\x00\x02" + bytes(8)


@pytest.mark.parametrize(
    ("inserted", "sentence"),
    [
        (
            wav(bytes(4), rate_hz=8_000),
            "header at byte 800 says LINEAR16 with 8000 Hz and 1 channel.*before it is LINEAR16 with 16000",
        ),
        (FLAC_BEGINNING, "a FLAC file begins at byte 800, in the middle of LINEAR16 with 16000 Hz"),
        (OGG_BEGINNING, "an Ogg stream begins at byte 800, in the middle of LINEAR16 with 16000 Hz"),
        (b"\x00" + wav(bytes(4)), "begins in the middle of a sample, at byte 801"),
    ],
)
@pytest.mark.parametrize("cut", [1, 1000])
def test_a_foreign_header_in_the_middle_of_raw_samples_is_refused(inserted: bytes, sentence: str, cut: int) -> None:
    with pytest.raises(InvalidAudio, match=sentence):
        decode(bytes(800) + inserted + bytes(100), PCM16K, cut)


def test_samples_that_look_a_little_like_a_header_are_samples() -> None:
    data = b"RIFFRIFF" * 10 + b"fLaC" * 5 + b"OggS" * 3
    assert decode(b"\0\0" + data, PCM16K, cut=5).shape[0] == 1 + len(data) // 2


def test_what_is_no_audio_of_ours_is_named() -> None:
    for beginning, name in ((b"ID3\x04", "MP3"), (b"\x1a\x45\xdf\xa3", "WebM"), (b"FORM", "AIFF")):
        with pytest.raises(InvalidAudio, match=f"this is an? {name} file|this is a {name} or"):
            decode(beginning + bytes(100), HEADED)


def test_a_wav_header_of_unknown_length_takes_everything() -> None:
    data = bytearray(wav(tone(16_000)))
    data[40:44] = b"\xff\xff\xff\xff"
    assert torch.equal(decode(bytes(data)), decode(tone(16_000), PCM16K))


def test_a_header_may_repeat_what_was_declared() -> None:
    assert len(decode(wav(tone(16_000)), PCM16K)) == 8_000


@pytest.mark.parametrize(
    ("data", "declared", "sentence"),
    [
        (b"\x01\x02\x03", PCM16K, "multiple of 2 bytes"),
        (bytes(6), AudioFormat(Encoding.LINEAR16, 16_000, 2), "multiple of 4 bytes"),
        (bytes(10), AudioFormat(), "no WAV, FLAC or Ogg header and no encoding"),
        (bytes(10), AudioFormat(Encoding.LINEAR16, 0, 1), "sample rate is missing"),
        (wav(b"", rate_hz=4_000), AudioFormat(), "4000 Hz is outside"),
        (wav(bytes(90), channels=9), AudioFormat(), "9 channels are outside"),
        (wav(bytes(9), width=1), AudioFormat(), "8 bits a sample"),
        (wav(bytes(9), width=3), AudioFormat(), "24 bits a sample"),
        (wav(bytes(4)), AudioFormat(Encoding.LINEAR16, 8_000, 1), "given as 8000, but the WAV header says 16000"),
        (wav(bytes(4)), AudioFormat(Encoding.MULAW, 16_000, 1), "given as MULAW, but the WAV header says LINEAR16"),
        (wav(bytes(4)), AudioFormat(Encoding.LINEAR16, 16_000, 2), "given as 2, but the WAV header says 1"),
        (b"RIFF\x00\x00\x00\x00AVI fmt ", AudioFormat(), "not a WAVE file"),
        (b"RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x00", AudioFormat(), "no fmt chunk"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt \x02\x00\x00\x00abdata\x00\x00\x00\x00", AudioFormat(), "too short"),
        (wav(bytes(4))[:30], AudioFormat(), "truncated"),
        (b"RIF", AudioFormat(), "no WAV, FLAC or Ogg header"),
        (wav(bytes(4))[:36] + b"LIST\xff\xff\xff\x7f" + bytes(100_000), AudioFormat(), "no data chunk"),
    ],
)
def test_wrong_audio_is_refused(data: bytes, declared: AudioFormat, sentence: str) -> None:
    with pytest.raises(InvalidAudio, match=sentence):
        decode(data, declared)


@pytest.mark.parametrize(
    "declared",
    [
        AudioFormat(Encoding.LINEAR16, 7_999, 1),
        AudioFormat(Encoding.LINEAR16, 48_001, 1),
        AudioFormat(Encoding.LINEAR16, -1, 1),
        AudioFormat(Encoding.LINEAR16, 16_000, 9),
        AudioFormat(Encoding.LINEAR16, 16_000, -1),
    ],
)
def test_an_impossible_declaration_is_refused_before_any_audio(declared: AudioFormat) -> None:
    with pytest.raises(InvalidAudio, match="outside"):
        AudioDecoder(declared)


def test_no_audio_at_all_is_silence() -> None:
    assert len(decode(b"", PCM16K)) == 0
