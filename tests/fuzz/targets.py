"""What any bytes may do: be recognized, or be refused with a listed status and one sentence. Nothing else.

The targets: the decoders of audio; Opus packets, which damage would not get past Ogg's checksums; and the converters of
all three APIs with everything that looks at options before a stream is opened. A target that raises has found a fault.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import soundfile
import torch
from google.cloud.speech_v1 import types as google
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from riva.client.proto import riva_asr_pb2 as riva

from hearken.v1 import speech_pb2 as pb
from models.audio import AudioDecoder
from models.audio.ogg import OggReader, write_file
from models.errors import HearkenError
from models.final_pass import final_pass_of
from models.package import DecodingConfig
from models.types import AudioFormat, Encoding, RecognitionOptions, Word
from service.rpc import convert
from service.rpc.errors import Said, said_of
from service.rpc.google_v1 import convert as google_convert
from service.rpc.google_v1.errors import said_by_google
from service.rpc.riva import convert as riva_convert

MOST_SAMPLES_OF_A_BYTE = 16_000
"""The strongest compression: a FLAC frame of 14 bytes may hold 65,535 equal samples, at 8 kHz twice as many of ours."""
_SPOKEN = ("on", "march", "third", "the", "damn", "train", "cost", "twenty", "one", "dollars")

_OPUS_HEAD_BYTES = 11  # without its magic
_OPUS_PACKET_SAMPLES = 960
_ENCODINGS = tuple(Encoding)
_RATES_HZ = (0, 8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 7_999)


class _Model:
    """As much of a recognizer as the converters look at."""

    name = "english"
    latencies_ms = (160, 320, 640, 1280)

    class card:
        language = "en-US"


_MODELS: list[Any] = [_Model()]


def decode_audio(data: bytes) -> None:
    """The first four bytes say what the caller declares and how the rest is cut."""
    if len(data) < 4:
        return
    declared = AudioFormat(
        _ENCODINGS[data[0] % len(_ENCODINGS)],
        _RATES_HZ[data[1] % len(_RATES_HZ)],
        data[2] % 10,
        separate_channels=bool(data[2] & 0x80),
    )
    audio, cut, samples = data[4:], 1 + data[3] * 8, 0
    try:
        decoder = AudioDecoder(declared)
        for at in range(0, len(audio), cut):
            for run in decoder.accept(audio[at : at + cut]):
                samples += _checked(run)
        for run in decoder.finish():
            samples += _checked(run)
    except HearkenError as error:
        _check_said(said_of(error), error)
    assert samples <= MOST_SAMPLES_OF_A_BYTE * (1 + len(audio)), f"{samples} samples of {len(audio)} bytes"


def decode_opus(data: bytes) -> None:
    """The fields of an Opus header, then packets, each behind its length; in an Ogg file whose checksums are right."""
    head, rest = data[:_OPUS_HEAD_BYTES], data[_OPUS_HEAD_BYTES:]
    packets = []
    while rest:
        packets.append(rest[1 : 1 + rest[0]])
        rest = rest[1 + rest[0] :]
    positions = [_OPUS_PACKET_SAMPLES * number for number in range(1, len(packets) + 1)]
    file = write_file([b"OpusHead" + head, b"OpusTags" + bytes(8)], packets, positions)
    decode_audio(bytes([0, 0, 0, 20]) + file)


def convert_request(data: bytes) -> None:
    """The first byte chooses the message, the rest is it."""
    if not data:
        return
    parse, options_of, said = _REQUESTS[data[0] % len(_REQUESTS)]
    try:
        message = parse(data[1:])
    except DecodeError:
        return  # service/rpc/reading.py answers
    try:
        _, options = options_of(message)
        final_pass = final_pass_of(options, DecodingConfig())
    except HearkenError as error:
        _check_said(said(error), error)
        return
    spoken = [
        Word(text, 0.0, 1.0)
        for text in ["on", "march", "third", "the", "damn", "train", "cost", "twenty", "one", "dollars"]
    ]
    transcript = final_pass.formatter.transcript(final_pass.formatter.words(spoken))
    assert len(transcript) <= 100 * 101, "each character replaced by the longest text there may be"


Options = tuple[AudioFormat, RecognitionOptions]
_REQUESTS: tuple[tuple[Callable[[bytes], Any], Callable[[Any], Options], Callable[[Exception], Said | None]], ...] = (
    (
        pb.StreamingRecognizeRequest.FromString,
        lambda own: convert.streaming_options(convert.config_of(own), _MODELS, default_latency_ms=640),
        said_of,
    ),
    (pb.RecognizeRequest.FromString, lambda own: convert.recording_options(own, _MODELS), said_of),
    (
        google.StreamingRecognizeRequest.pb().FromString,
        lambda own: google_convert.streaming_options(google_convert.config_of(own), _MODELS, default_latency_ms=640),
        said_by_google,
    ),
    (
        google.RecognizeRequest.pb().FromString,
        lambda own: google_convert.recording_options(own, _MODELS),
        said_by_google,
    ),
    (
        google.LongRunningRecognizeRequest.pb().FromString,
        lambda own: google_convert.recording_options(own, _MODELS),
        said_by_google,
    ),
    (
        riva.StreamingRecognizeRequest.FromString,
        lambda own: riva_convert.streaming_options(riva_convert.config_of(own), _MODELS, default_latency_ms=640),
        said_of,
    ),
    (
        riva.RecognizeRequest.FromString,
        lambda own: riva_convert.recording_options(own, _MODELS, default_latency_ms=640),
        said_of,
    ),
)

TARGETS: dict[str, Callable[[bytes], None]] = {
    "audio": decode_audio,
    "opus": decode_opus,
    "requests": convert_request,
}


def seeds_of(target: str) -> list[bytes]:
    """Inputs to begin with: whole ones, which are to be changed."""
    return {"audio": _audio_seeds, "opus": _opus_seeds, "requests": _request_seeds}[target]()


def _audio_seeds() -> list[bytes]:
    noise = np.random.default_rng(0).normal(0, 1_000, 2_000).astype("<i2")
    seeds = [bytes([1, 3, 1, 100]) + noise.tobytes(), bytes([2, 1, 1, 100]) + noise.astype("i1").tobytes()]
    for container, subtype in (("WAV", "PCM_16"), ("WAV", "ULAW"), ("FLAC", "PCM_16"), ("OGG", "OPUS")):
        for channels in (1, 2):
            file = io.BytesIO()
            soundfile.write(file, np.tile(noise[:, None], channels), 16_000, format=container, subtype=subtype)
            seeds += [bytes([0, 0, 0, cut]) + file.getvalue() for cut in (10, 200)]
    return seeds


def _opus_seeds() -> list[bytes]:
    seeds = []
    for channels in (1, 2):
        file = io.BytesIO()
        noise = np.random.default_rng(0).normal(0, 1_000, (4_000, channels)).astype("<i2")
        soundfile.write(file, noise, 16_000, format="OGG", subtype="OPUS")
        head, _, *packets = [packet for page in OggReader().accept(file.getvalue()) for packet in page.packets]
        behind = b"".join(bytes([len(packet)]) + packet for packet in packets if len(packet) < 256)
        seeds.append(head.removeprefix(b"OpusHead") + behind)
    return seeds


_HEARKEN = """
    audio { encoding: LINEAR16 sample_rate_hz: 16000 channels: 2 separate_channels: true }
    recognition {
        model: "english" language: "en" max_alternatives: 3 word_info: true
        phrase_hints { phrase: "Hearken" boost: 3 } phrase_hints { phrase: "BBC two" }
        decoder { beam_size: 50 language_model_weight: 1 word_bonus: -1 }
        text {
            automatic_punctuation: true inverse_text_normalization: true profanity_filter: true
            replacements { search: "a" replace: "b" } replacements { search: "." }
        }
    }
    endpointing { end_silence_s: 0.5 max_utterance_s: 9 no_speech_timeout_s: 9 }
"""
_GOOGLE = """
    encoding: LINEAR16 sample_rate_hertz: 16000 language_code: "en-US" max_alternatives: 2 profanity_filter: true
    enable_word_time_offsets: true enable_automatic_punctuation: true model: "default" use_enhanced: true
    speech_contexts { phrases: "Hearken" boost: 3 }
    adaptation { phrase_sets { phrases { value: "BBC" boost: 4 } boost: 2 } }
    transcript_normalization { entries { search: "MARCH" replace: "May" } entries { search: "x" case_sensitive: true } }
    enable_spoken_punctuation { } diarization_config { }
"""
_RIVA = """
    encoding: LINEAR_PCM sample_rate_hertz: 16000 language_code: "en-US" max_alternatives: 2 profanity_filter: true
    speech_contexts { phrases: "Hearken" boost: 3 } enable_word_time_offsets: true enable_automatic_punctuation: true
    verbatim_transcripts: false endpointing_config { start_history: 80 stop_history: 400 stop_history_eou: 200 }
"""


def _request_seeds() -> list[bytes]:
    timeout = "enable_voice_activity_events: true voice_activity_timeout { speech_end_timeout { seconds: 2 } }"
    texts: list[tuple[Any, str]] = [
        (pb.StreamingRecognizeRequest(), f"config {{ {_HEARKEN} latency: LATENCY_160_MS speech_events: true }}"),
        (pb.RecognizeRequest(), _HEARKEN.replace("audio {", "audio_config {") + ' audio: "xx"'),
        (google.StreamingRecognizeRequest.pb()(), f"streaming_config {{ config {{ {_GOOGLE} }} {timeout} }}"),
        (google.RecognizeRequest.pb()(), f'config {{ {_GOOGLE} }} audio {{ content: "xx" }}'),
        (google.LongRunningRecognizeRequest.pb()(), f'config {{ {_GOOGLE} }} audio {{ content: "xx" }}'),
        (riva.StreamingRecognizeRequest(), f"streaming_config {{ config {{ {_RIVA} }} interim_results: true }}"),
        (riva.RecognizeRequest(), f'config {{ {_RIVA} }} audio: "xx" id {{ value: "mine" }}'),
    ]
    return [
        bytes([number]) + text_format.Parse(text, message).SerializeToString()
        for number, (message, text) in enumerate(texts)
    ]


def _checked(run: torch.Tensor) -> int:
    assert run.dtype is torch.float32 and run.dim() == 2 and 1 <= len(run) <= 8, run.shape
    assert not run.numel() or bool(run.abs().max() <= 2.0), "samples are between -1 and 1, or a little more, resampled"
    return run.shape[1]


def _check_said(said: Said | None, error: Exception) -> None:
    assert said is not None, f"{type(error).__name__} has no status"
    assert said[1] and "\n" not in said[1], f"not a sentence: {said[1]!r}"
