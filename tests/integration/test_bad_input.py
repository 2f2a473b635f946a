"""What goes wrong is said: each row is an input, the status that it ends with, and a part of the sentence.

Real server, real connection. Rows with OK look wrong and are not.
"""

from __future__ import annotations

import contextlib
import io
import math
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile

from hearken.v1 import speech_pb2 as pb
from hearken.v1 import speech_pb2_grpc

Request = pb.StreamingRecognizeRequest
Row = tuple[list[Request | bytes], grpc.StatusCode, str]
OK, INVALID, EXHAUSTED = grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED
MAX_RECORDING_S = 5
RAW = {"encoding": pb.AudioConfig.LINEAR16, "sample_rate_hz": 16_000}
DEADLINE_S = 60

NOISE = np.random.default_rng(0).normal(0, 1_000, 12_000).astype("<i2")


def file(container: str, subtype: str | None = None, rate_hz: int = 16_000, channels: int = 1) -> bytes:
    """0.75 s of noise in a file."""
    written = io.BytesIO()
    subtype = subtype or {"OGG": "OPUS"}.get(container, "PCM_16")
    soundfile.write(written, np.tile(NOISE[:, None], channels), rate_hz, format=container, subtype=subtype)
    return written.getvalue()


WAV, FLAC, OGG = file("WAV"), file("FLAC"), file("OGG")
PCM = NOISE.tobytes()


def stream(*audio: bytes, config: dict[str, Any] | None = None, **fields: Any) -> list[Request | bytes]:
    """fields: of the audio format; config: of the rest."""
    chosen = fields or RAW
    first = Request(config=pb.StreamingConfig(**{"audio": pb.AudioConfig(**chosen), **(config or {})}))
    return [first, *(Request(audio=piece) for piece in audio)]


def headed(*audio: bytes) -> list[Request | bytes]:
    """A stream whose header says everything."""
    return [Request(config=pb.StreamingConfig()), *(Request(audio=piece) for piece in audio)]


def wanting(**recognition: Any) -> list[Request | bytes]:
    return stream(PCM, config={"recognition": pb.RecognitionConfig(**recognition)})


def ending(**endpointing: Any) -> list[Request | bytes]:
    return stream(PCM, config={"endpointing": pb.EndpointingConfig(**endpointing)})


def hinting(*hints: dict[str, Any]) -> list[Request | bytes]:
    return wanting(phrase_hints=[pb.PhraseHint(**hint) for hint in hints])


def damaged(data: bytes, at: float) -> bytes:
    place = int(at * len(data))
    return data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


STREAMS: dict[str, Row] = {
    # messages and their order
    "nothing": ([], INVALID, "config: the stream ended without it"),
    "audio first": ([Request(audio=PCM)], INVALID, "audio: came before config"),
    "an empty first message": ([Request()], INVALID, "config: the first message is empty"),
    "two configs": ([*stream(), *stream()], INVALID, "config: came a second time"),
    "a config after audio": ([*stream(PCM), *stream()], INVALID, "config: came a second time"),
    "an empty later message": ([*stream(PCM), Request()], INVALID, "audio: the message is empty"),
    "audio of no bytes": (stream(b"", PCM, b""), OK, ""),
    "no audio": (stream(), OK, ""),
    "one byte": (stream(b"x"), INVALID, "ends in the middle of a sample"),
    "messages of one byte": (headed(*(WAV[at : at + 1] for at in range(200))), OK, ""),
    "a message of more than 1 MiB": (stream(bytes(2**20 + 1)), INVALID, "holds 1048577 bytes; send at most 1048576"),
    "a message of 5 MB": (stream(bytes(5_000_000)), EXHAUSTED, "larger than max"),
    "bytes that are no message": ([b"\xff\xff\xff"], INVALID, "request: is not a message of this call"),
    "a truncated message": ([stream()[0].SerializeToString()[:-1]], INVALID, "is not a message of this call"),  # type: ignore[union-attr]
    "text that is not UTF-8": (
        [wanting(model="ab")[0].SerializeToString().replace(b"ab", b"\xff\xfe")],  # type: ignore[union-attr]
        INVALID,
        "a text in it is not UTF-8",
    ),
    "a field of the future": ([b"\xc0\x3e\x01"], INVALID, "request: its field number 1000 is unknown"),
    # the audio format
    "an unknown encoding": (stream(encoding=99), INVALID, "config.audio.encoding: this server does not honor 99"),
    "a rate too low": (stream(sample_rate_hz=7_999), INVALID, "is 7999; choose 8000 to 48000"),
    "a rate too high": (stream(sample_rate_hz=48_001), INVALID, "is 48001; choose 8000 to 48000"),
    "a negative rate": (stream(sample_rate_hz=-16_000), INVALID, "choose 8000 to 48000"),
    "the highest number as rate": (stream(sample_rate_hz=2**31 - 1), INVALID, "choose 8000 to 48000"),
    "no rate for raw audio": (stream(PCM, encoding=1), INVALID, "the sample rate is missing"),
    "9 channels": (stream(channels=9), INVALID, "config.audio.channels: is 9; choose 1 to 8"),
    "minus one channel": (stream(channels=-1), INVALID, "choose 1 to 8"),
    "no header and no encoding": (headed(PCM), INVALID, "no WAV, FLAC or Ogg header and no encoding was given"),
    "a text instead of audio": (headed(b"Dear Sir or Madam"), INVALID, "no WAV, FLAC or Ogg header"),
    "MP3": (headed(b"ID3\x04" + bytes(100)), INVALID, "this is an MP3 file; send WAV, FLAC, Ogg Opus or raw"),
    "WebM": (headed(b"\x1a\x45\xdf\xa3" + bytes(100)), INVALID, "this is a WebM or Matroska file"),
    "AIFF": (headed(file("AIFF")), INVALID, "this is an AIFF file"),
    # WAV
    "WAV without samples": (headed(WAV[:44]), OK, ""),
    "WAV that breaks off": (headed(WAV[:-1001]), INVALID, "ends in the middle of a sample"),
    "a truncated WAV header": (headed(WAV[:30]), INVALID, "the WAV header has no data chunk"),
    "RIFF that is no WAVE": (headed(patched(WAV, 8, b"AVI ")), INVALID, "begins with RIFF but is not a WAVE file"),
    "WAV of 24 bits": (headed(file("WAV", "PCM_24")), INVALID, "holds format 1 with 24 bits a sample; send 16-bit"),
    "WAV of floats": (headed(file("WAV", "FLOAT")), INVALID, "holds format 3 with 32 bits a sample"),
    "WAV of 9 channels": (headed(file("WAV", channels=9)), INVALID, "9 channels are outside 1 to 8"),
    "WAV of 96 kHz": (headed(file("WAV", rate_hz=96_000)), INVALID, "96000 Hz is outside 8000 to 48000"),
    "WAV of another rate": (
        stream(file("WAV", rate_hz=8_000), **RAW),
        INVALID,
        "given as 16000, but the WAV header says 8000",
    ),
    "WAV of another encoding": (
        stream(file("WAV", "ULAW"), **RAW),
        INVALID,
        "given as LINEAR16, but the WAV header says MULAW",
    ),
    "WAV of other channels": (
        stream(file("WAV", channels=2), channels=1),
        INVALID,
        "given as 1, but the WAV header says 2",
    ),
    "a WAV chunk of 4 GB": (
        headed(WAV[:36] + b"LIST\xff\xff\xff\xff" + bytes(100_000)),
        INVALID,
        "has no data chunk",
    ),
    "a WAV header in raw audio": (stream(PCM + WAV), OK, ""),
    "another WAV header in raw audio": (
        stream(PCM + file("WAV", rate_hz=8_000)),
        INVALID,
        "the WAV header at byte 24000 says LINEAR16 with 8000 Hz",
    ),
    "FLAC in raw audio": (stream(PCM + FLAC), INVALID, "a FLAC file begins at byte 24000, in the middle of LINEAR16"),
    "Ogg in raw audio": (stream(PCM + OGG), INVALID, "an Ogg stream begins at byte 24000, in the middle of LINEAR16"),
    # FLAC
    "FLAC": (headed(FLAC), OK, ""),
    "a truncated FLAC header": (headed(FLAC[:20]), INVALID, "the FLAC file ends before its first sample"),
    "truncated FLAC": (headed(FLAC[:-500]), INVALID, "damaged or truncated after 2 whole frames"),
    "damaged FLAC": (headed(damaged(FLAC, 0.6)), INVALID, "the FLAC audio is damaged or truncated"),
    "FLAC of another rate": (
        stream(FLAC, encoding=pb.AudioConfig.FLAC, sample_rate_hz=44_100),
        INVALID,
        "given as 44100, but the FLAC header says 16000",
    ),
    "FLAC as raw audio": (stream(FLAC), INVALID, "given as LINEAR16, but the FLAC header says FLAC"),
    "raw audio as FLAC": (stream(PCM, encoding=pb.AudioConfig.FLAC), INVALID, "given as FLAC, but the audio does not"),
    # Ogg Opus
    "Ogg Opus": (headed(OGG), OK, ""),
    "a truncated Ogg header": (headed(OGG[:30]), INVALID, "ends before its first sample"),
    "truncated Ogg": (headed(OGG[:-50]), INVALID, "the Ogg Opus audio ends in the middle of a page"),
    "damaged Ogg": (headed(damaged(OGG, 0.9)), INVALID, "the Ogg audio is damaged: the checksum of page"),
    "Vorbis in Ogg": (headed(file("OGG", "VORBIS")), INVALID, "the Ogg file does not hold Opus audio"),
    "two Ogg files": (headed(OGG + OGG), INVALID, "goes on with page 0"),
    "Ogg of another rate": (
        stream(OGG, encoding=pb.AudioConfig.OGG_OPUS, sample_rate_hz=8_000),
        INVALID,
        "given as 8000, but the Ogg Opus header says 16000",
    ),
    "WAV as Ogg": (
        stream(WAV, encoding=pb.AudioConfig.OGG_OPUS),
        INVALID,
        "OGG_OPUS, but the WAV header says LINEAR16",
    ),
    # recognition
    "an unknown model": (wanting(model="none"), INVALID, "config.recognition.model: there is no model 'none' here"),
    "a model's name that is a book": (wanting(model="x" * 5_000), INVALID, "has 5000 characters; send at most 100"),
    "an unknown language": (wanting(language="tlh"), INVALID, "config.recognition.language: model 'english' speaks"),
    "31 alternatives": (wanting(max_alternatives=31), INVALID, "max_alternatives: is 31; choose 1 to 30"),
    "minus one alternative": (wanting(max_alternatives=-1), INVALID, "choose 1 to 30"),
    "an unknown latency": (stream(config={"latency": 9}), INVALID, "config.latency: this server does not honor 9"),
    "an empty hint": (hinting({"phrase": " "}), INVALID, "phrase_hints[0].phrase: is empty"),
    "a hint of punctuation": (hinting({"phrase": "!?"}), INVALID, "holds no word"),
    "a hint in digits": (hinting({"phrase": "flight 370"}), INVALID, "write numbers as words"),
    "a hint in other letters": (hinting({"phrase": "北京"}), INVALID, "use the letters a to z"),
    "a long hint": (hinting({"phrase": "ab " * 50}), INVALID, "has 150 characters; send at most 100"),
    "an absurd boost": (hinting({"phrase": "x", "boost": 1e30}), INVALID, "phrase_hints[0].boost: is 1e+30; choose 0"),
    "a negative boost": (hinting({"phrase": "x", "boost": -0.5}), INVALID, "choose 0 to 20"),
    "a boost that is no number": (hinting({"phrase": "x", "boost": math.nan}), INVALID, "is nan; choose 0 to 20"),
    "10,000 hints": (hinting(*[{"phrase": "x"}] * 10_000), INVALID, "phrase_hints: has 10000 entries; send at most"),
    "1,000 hints": (hinting(*({"phrase": f"x{'abcdefghij'[n % 10]} {'y' * 20}"} for n in range(1_000))), OK, ""),
    "a beam of nothing": (wanting(decoder={"beam_size": 0}), INVALID, "decoder.beam_size: is 0; choose 1 to 1000"),
    "a beam without end": (wanting(decoder={"beam_size": 2**31 - 1}), INVALID, "choose 1 to 1000"),
    "a weight that is no number": (wanting(decoder={"language_model_weight": math.nan}), INVALID, "choose 0 to 5"),
    "an infinite weight": (wanting(decoder={"language_model_weight": math.inf}), INVALID, "choose 0 to 5"),
    "a bonus out of range": (
        wanting(decoder={"word_bonus": 5.5}),
        INVALID,
        "decoder.word_bonus: is 5.5; choose -5 to 5",
    ),
    "a replacement of nothing": (
        wanting(text={"replacements": [pb.Replacement(replace="x")]}),
        INVALID,
        "search: is empty",
    ),
    "101 replacements": (
        wanting(text={"replacements": [pb.Replacement(search="x")] * 101}),
        INVALID,
        "has 101 entries",
    ),
    # endpointing
    "a short silence": (ending(end_silence_s=0.1), INVALID, "end_silence_s: is 0.1; choose 0.2 to 10"),
    "a silence that is no number": (ending(end_silence_s=math.nan), INVALID, "choose 0.2 to 10"),
    "an endless silence": (ending(end_silence_s=math.inf), INVALID, "choose 0.2 to 10"),
    "a short utterance": (ending(max_utterance_s=4), INVALID, "max_utterance_s: is 4; choose 5 to 60"),
    "a long utterance": (ending(max_utterance_s=1e6), INVALID, "choose 5 to 60"),
    "no patience": (ending(no_speech_timeout_s=0.5), INVALID, "no_speech_timeout_s: is 0.5; choose 1 to 600"),
    "one utterance of separate channels": (
        stream(
            PCM,
            config={"endpointing": pb.EndpointingConfig(single_utterance=True)},
            **RAW,
            channels=2,
            separate_channels=True,
        ),
        INVALID,
        "single_utterance and separate_channels exclude each other",
    ),
}

RECORDINGS: dict[str, tuple[pb.RecognizeRequest, grpc.StatusCode, str]] = {
    "no audio": (pb.RecognizeRequest(audio_config=pb.AudioConfig(**RAW)), INVALID, "audio: is empty"),
    "one byte": (
        pb.RecognizeRequest(audio_config=pb.AudioConfig(**RAW), audio=b"x"),
        INVALID,
        "in the middle of a sample",
    ),
    "too long": (
        pb.RecognizeRequest(audio_config=pb.AudioConfig(**RAW), audio=bytes(32_000 * (MAX_RECORDING_S + 1))),
        INVALID,
        "longer than the 5 s that are recognized whole; use StreamingRecognize",
    ),
    "5 MB": (pb.RecognizeRequest(audio=bytes(5_000_000)), EXHAUSTED, "larger than max"),
    "damaged FLAC": (pb.RecognizeRequest(audio=damaged(FLAC, 0.6)), INVALID, "the FLAC audio is damaged"),
    "truncated Ogg": (pb.RecognizeRequest(audio=OGG[:-50]), INVALID, "in the middle of a page"),
    "an unknown model": (
        pb.RecognizeRequest(audio=WAV, recognition=pb.RecognitionConfig(model="none")),
        INVALID,
        "recognition.model: there is no model",
    ),
    "good": (pb.RecognizeRequest(audio=WAV), OK, ""),
}


@pytest.fixture(scope="module")
def serving(run_server: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    with run_server(max_recording_s=MAX_RECORDING_S, max_streams=4) as serving:
        yield serving


@pytest.fixture(scope="module")
def channel(serving: Any) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(serving.address) as channel:
        yield channel


def end_of(call: Any) -> tuple[grpc.StatusCode, str]:
    with contextlib.suppress(grpc.RpcError):
        for _ in call:
            pass
    return call.code(), call.details()


def as_bytes(request: Request | bytes) -> bytes:
    return request if isinstance(request, bytes) else request.SerializeToString()


def open_stream(channel: grpc.Channel, requests: list[Request | bytes]) -> Any:
    method = channel.stream_stream("/hearken.v1.Speech/StreamingRecognize", as_bytes)
    return method(iter(requests), timeout=DEADLINE_S)


@pytest.mark.parametrize(("requests", "status", "sentence"), STREAMS.values(), ids=STREAMS)
def test_a_stream(
    channel: grpc.Channel, requests: list[Request | bytes], status: grpc.StatusCode, sentence: str
) -> None:
    code, details = end_of(open_stream(channel, requests))
    assert code is status, details
    assert sentence in details and "\n" not in details


@pytest.mark.parametrize(("request_", "status", "sentence"), RECORDINGS.values(), ids=RECORDINGS)
def test_a_recording(
    channel: grpc.Channel, request_: pb.RecognizeRequest, status: grpc.StatusCode, sentence: str
) -> None:
    try:
        speech_pb2_grpc.SpeechStub(channel).Recognize(request_, timeout=DEADLINE_S)
    except grpc.RpcError as error:
        assert (error.code(), sentence in error.details()) == (status, True), error.details()  # type: ignore[attr-defined]
    else:
        assert status is OK


def test_the_tables_are_long_enough_to_mean_something() -> None:
    assert len(STREAMS) + len(RECORDINGS) >= 60


def crc16(data: bytes) -> int:
    """Of a FLAC frame: x^16 + x^15 + x^2 + 1"""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x8005 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07 if crc & 0x80 else crc << 1) & 0xFF
    return crc


def silent_flac(frames: int) -> bytes:
    """Frames of 65,535 samples of silence in 14 bytes each: 1.4 s of audio at 48 kHz."""
    info = struct.pack(">HH6s", 16, 65_535, bytes(6)) + (48_000 << 44 | 15 << 36).to_bytes(8, "big") + bytes(16)
    data = bytearray(b"fLaC\x80\x00\x00\x22" + info)
    for number in range(frames):
        utf8 = chr(number).encode()
        header = b"\xff\xf8\x70\x00" + utf8 + b"\xff\xfe"
        frame = header + bytes([crc8(header)]) + bytes(3)
        data += frame + crc16(frame).to_bytes(2, "big")
    return bytes(data)


def resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def test_a_few_bytes_that_hold_hours_cost_little_memory_and_end_when_their_caller_does(
    channel: grpc.Channel, serving: Any
) -> None:
    """2,000 frames: 28 kB, 45 minutes, 523 MB as 32-bit samples."""
    before_mb = resident_mb(serving.pid)
    call, highest_mb, until_s = open_stream(channel, headed(silent_flac(2_000))), 0.0, time.monotonic() + 3
    while time.monotonic() < until_s:
        highest_mb = max(highest_mb, resident_mb(serving.pid))
        time.sleep(0.05)
    call.cancel()
    assert highest_mb - before_mb < 200
    assert end_of(open_stream(channel, headed(WAV))) == (OK, "")


def test_after_all_that_the_server_is_as_good_as_new(channel: grpc.Channel) -> None:
    assert [model.name for model in speech_pb2_grpc.SpeechStub(channel).ListModels(pb.ListModelsRequest()).models] == [
        "english"
    ]
    calls = [open_stream(channel, headed(WAV)) for _ in range(4)]
    assert [end_of(call) for call in calls] == [(OK, "")] * 4
