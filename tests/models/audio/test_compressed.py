"""FLAC streams give exactly the samples of the file, Opus streams nearly, and both the same for every cutting."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.audio import AudioDecoder
from models.audio.ogg import OggReader, write_file
from models.errors import InvalidAudio
from models.types import AudioFormat, Encoding

Voice = Callable[..., Any]
Written = Callable[..., bytes]
Decoded = Callable[..., torch.Tensor]
SEPARATE = AudioFormat(separate_channels=True)
LEAST_SNR_DB = 40.0


@settings(max_examples=12)
@given(cuts=st.lists(st.integers(1, 5_000), min_size=1, max_size=10), container=st.sampled_from(["FLAC", "OGG"]))
def test_any_cutting_gives_the_same_samples(
    voice: Voice, written: Written, decoded: Decoded, cuts: list[int], container: str
) -> None:
    data = written(voice(1.5, 16_000, 2), container)
    assert torch.equal(decoded(data, SEPARATE, tuple(cuts)), decoded(data, SEPARATE, (len(data),)))


@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 1), (16_000, 3), (8_000, 2), (44_100, 1), (48_000, 8)])
def test_flac_is_its_samples(voice: Voice, written: Written, decoded: Decoded, rate_hz: int, channels: int) -> None:
    samples = voice(1.0, rate_hz, channels)
    raw = AudioFormat(Encoding.LINEAR16, rate_hz, channels, separate_channels=True)
    from_flac = decoded(written(samples, "FLAC", rate_hz), SEPARATE)
    assert torch.equal(from_flac, decoded(samples.tobytes(), raw))
    assert len(from_flac) == channels


def test_flac_comes_a_frame_at_a_time(voice: Voice, written: Written) -> None:
    data = written(voice(2.0), "FLAC")
    decoder, lengths = AudioDecoder(AudioFormat()), []
    for at in range(0, len(data), 500):
        lengths.append(sum(run.shape[1] for run in decoder.accept(data[at : at + 500])))
    assert sum(map(bool, lengths)) == 32_000 // 4_096
    assert sum(lengths) + sum(run.shape[1] for run in decoder.finish()) == 32_000


@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 1), (48_000, 2), (24_000, 1), (8_000, 1)])
def test_opus_differs_from_the_whole_file_by_less_than_anybody_hears(
    voice: Voice, written: Written, decoded: Decoded, rate_hz: int, channels: int
) -> None:
    data = written(voice(4.0, rate_hz, channels), "OGG", rate_hz)
    whole = io.BytesIO(bytes(data))
    ours = decoded(data, SEPARATE)
    theirs, theirs_hz = soundfile.read(whole, dtype="float32", always_2d=True)
    assert ours.shape == (channels, 64_000)
    if theirs_hz == 16_000:  # libsndfile decodes at the rate of the header
        difference = ours.numpy() - theirs.T
        assert (difference**2).mean() <= (theirs**2).mean() / 10 ** (LEAST_SNR_DB / 10)


def test_samples_stay_between_minus_one_and_one_whatever_gain_an_opus_header_asks_for(
    voice: Voice, written: Written, decoded: Decoded
) -> None:
    data = written(voice(1.0), "OGG")
    head, tags, *packets = [packet for page in OggReader().accept(data) for packet in page.packets]
    louder = head[:16] + b"\xff\x7f" + head[18:]  # by 128 dB
    positions = [960 * number for number in range(1, len(packets) + 1)]
    samples = decoded(write_file([louder, tags], packets, positions), SEPARATE)
    assert samples.abs().max() == 1.0


def test_opus_of_short_packets_is_decoded_too(voice: Voice, written: Written, decoded: Decoded) -> None:
    """2.5 ms packets of silence: more of them in a group than a page takes."""
    head, tags = OggReader().accept(written(voice(0.1), "OGG"))[:2]
    packet = bytes([16 << 3]) + b"\xff\xfe"
    data = write_file([*head.packets, *tags.packets], [packet] * 600, [120 * (n + 1) for n in range(600)])
    skip = int.from_bytes(head.packets[0][10:12], "little")
    assert decoded(data).shape[1] == (600 * 120 - skip) // 3


def test_channels_of_a_header_are_mixed_unless_they_are_to_be_separate(
    voice: Voice, written: Written, decoded: Decoded
) -> None:
    data = written(voice(0.5, 16_000, 2), "FLAC")
    assert torch.equal(decoded(data), decoded(data, SEPARATE).mean(dim=0, keepdim=True))


@pytest.mark.parametrize(
    ("container", "declared", "sentence"),
    [
        ("FLAC", AudioFormat(Encoding.LINEAR16, 16_000, 1), "given as LINEAR16, but the FLAC header says FLAC"),
        ("FLAC", AudioFormat(Encoding.FLAC, 8_000), "given as 8000, but the FLAC header says 16000"),
        ("FLAC", AudioFormat(Encoding.FLAC, 16_000, 2), "given as 2, but the FLAC header says 1"),
        ("OGG", AudioFormat(Encoding.MULAW, 16_000, 1), "given as MULAW, but the Ogg Opus header says OGG_OPUS"),
        ("OGG", AudioFormat(Encoding.OGG_OPUS, 8_000), "given as 8000, but the Ogg Opus header says 16000"),
        ("OGG", AudioFormat(Encoding.FLAC), "given as FLAC, but the Ogg Opus header says OGG_OPUS"),
        ("WAV", AudioFormat(Encoding.FLAC), "given as FLAC, but the WAV header says LINEAR16"),
        ("WAV", AudioFormat(Encoding.OGG_OPUS), "given as OGG_OPUS, but the WAV header says LINEAR16"),
    ],
)
def test_a_header_that_says_something_else_than_the_caller_is_refused_and_both_are_named(
    voice: Voice, written: Written, decoded: Decoded, container: str, declared: AudioFormat, sentence: str
) -> None:
    with pytest.raises(InvalidAudio, match=sentence):
        decoded(written(voice(0.2), container), declared)


@pytest.mark.parametrize(
    "declared",
    [AudioFormat(Encoding.OGG_OPUS, 16_000, 1), AudioFormat(Encoding.OGG_OPUS, 48_000), AudioFormat(Encoding.OGG_OPUS)],
)
def test_the_rate_of_opus_is_the_headers_or_48000(
    voice: Voice, written: Written, decoded: Decoded, declared: AudioFormat
) -> None:
    assert decoded(written(voice(0.2), "OGG"), declared).shape == (1, 3_200)


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x5A]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("container", "change", "sentence"),
    [
        ("FLAC", lambda data: data[:30], "ends before its first sample"),
        ("FLAC", lambda data: data[:-1000], "damaged or truncated after 3 whole frames"),
        ("FLAC", lambda data: damaged(data, len(data) // 2), "damaged or truncated after"),
        ("FLAC", lambda data: data[:4] + b"\x84" + data[5:], "does not begin with its STREAMINFO"),
        ("FLAC", lambda data: data[:86] + bytes(500_000), "damaged or truncated after 0 whole frames"),
        ("OGG", lambda data: data[:27], "ends before its first sample"),
        ("OGG", lambda data: data[:-100], "ends in the middle of a page"),
        ("OGG", lambda data: damaged(data, len(data) - 500), "checksum of page"),
        ("OGG", lambda data: data[:100] + data[200:], "does not begin where it should|checksum"),
        ("OGG", lambda data: data + data, "goes on with page 0"),
        ("OGG", lambda data: data.replace(b"OpusHead", b"\x01vorbis!", 1), "checksum of page 0"),
        ("OGG", lambda data: write_file([b"\x01vorbis" + bytes(20), b"x"], [b"x"], [1]), "does not hold Opus"),
        ("OGG", lambda data: write_file([b"OpusHead\x01"], [], []), "too short"),
    ],
)
def test_damaged_and_truncated_audio_is_refused(
    voice: Voice, written: Written, decoded: Decoded, container: str, change: Callable[[bytes], bytes], sentence: str
) -> None:
    with pytest.raises(InvalidAudio, match=sentence):
        decoded(change(written(voice(1.0), container)))


@settings(max_examples=60)
@given(
    container=st.sampled_from(["FLAC", "OGG", "WAV"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=6),
    end=st.floats(0.1, 1),
    cut=st.integers(50, 4_000),
)
def test_nothing_but_samples_or_a_refusal_comes_of_damage(
    voice: Voice,
    written: Written,
    decoded: Decoded,
    container: str,
    changes: list[tuple[float, int]],
    end: float,
    cut: int,
) -> None:
    data = bytearray(written(voice(0.8), container))
    for where, change in changes:
        data[int(where * (len(data) - 1))] ^= change
    try:
        samples = decoded(bytes(data[: int(end * len(data))]), AudioFormat(), (cut,))
    except InvalidAudio as error:
        assert "\n" not in str(error)
    else:
        assert samples.shape[1] <= 40_000
