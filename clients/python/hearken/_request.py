"""From what a caller hands over to what is sent: the part of a call that is the same with and without asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from os import PathLike
from typing import BinaryIO, TypeAlias, cast

from hearken import _wire
from hearken._audio import MESSAGE_LIMIT_BYTES, AudioChunk, AudioFile, AudioFormat, Samples, is_recording, is_samples
from hearken._connection import UNARY_LIMIT_BYTES
from hearken._errors import AudioError
from hearken._microphone import Microphone
from hearken._options import Encoding, Options
from hearken._results import Result, SpeechEvent
from hearken.v1 import speech_pb2 as pb

Audio: TypeAlias = str | PathLike[str] | bytes | BinaryIO | Samples | Iterable[AudioChunk]
"""A path, the bytes of a recording or a binary file (see AudioFile), a numpy array, a Microphone, or any iterable of
audio: bytes, cut anywhere, or numpy arrays. Arrays hold int16, or floats from -1 to 1: [frames], [frames, channels]."""

AsyncAudio: TypeAlias = Audio | AsyncIterable[AudioChunk]
"""As Audio, or an asynchronous iterable."""


@dataclass(frozen=True, slots=True)
class Request:
    """Audio to send, and the message to send before it.

    is_short: all of it fits into one message. on_event: whom to tell of events.
    """

    config: pb.StreamingRecognizeRequest
    audio: Iterable[AudioChunk] | AsyncIterable[AudioChunk]
    is_short: bool
    on_event: Callable[[SpeechEvent], None] | None = None

    def iterable(self) -> Iterable[AudioChunk]:
        """The audio for who cannot wait for an asynchronous iterable; raises AudioError if it is one."""
        if isinstance(self.audio, AsyncIterable):
            raise AudioError("this audio is an asynchronous iterable; use AsyncClient for it")
        return self.audio

    def results_of(self, response: pb.StreamingRecognizeResponse) -> Iterable[Result]:
        """The results of a response, after its event, if it announces one, was told."""
        if self.on_event is not None and (event := _wire.event_of(response)) is not None:
            self.on_event(event)
        return _wire.results_of(response)


def prepare(audio: AsyncAudio, options: Options) -> Request:
    """Raises AudioError, InvalidRequest, MissingExtra or OSError before anything is sent."""
    declared = AudioFormat(options.encoding, options.sample_rate_hz, options.channels)
    if is_samples(audio):
        return _prepare_samples(audio, declared, options)
    if is_recording(audio):
        audio = AudioFile(
            audio, sample_rate_hz=options.sample_rate_hz, channels=options.channels, encoding=options.encoding
        )
    if isinstance(audio, AudioFile | Microphone):
        audio.format.check(declared)
        return Request(_wire.config_request(options, audio.format), audio, _is_short(audio), options.on_event)
    if not isinstance(audio, Iterable | AsyncIterable):
        raise AudioError(f"audio is a path, bytes, a file or something to iterate over, not {type(audio).__name__}")
    chunks = cast(Iterable[AudioChunk] | AsyncIterable[AudioChunk], audio)
    return Request(_wire.config_request(options, declared), chunks, False, options.on_event)


def _prepare_samples(samples: Samples, declared: AudioFormat, options: Options) -> Request:
    if declared.sample_rate_hz is None:
        raise AudioError("an array does not say its sample rate; give sample_rate_hz")
    frames, *channels = samples.shape
    array_format = AudioFormat(Encoding.LINEAR16, declared.sample_rate_hz, channels[0] if channels else 1)
    array_format.check(replace(declared, channels=declared.channels if channels else None))
    array_format = replace(array_format, channels=declared.channels or array_format.channels)
    step = max(1, MESSAGE_LIMIT_BYTES // array_format.frame_bytes)

    def pieces() -> Iterator[AudioChunk]:
        for start in range(0, frames, step):
            yield samples[start : start + step]

    is_short = frames * (channels[0] if channels else 1) * Encoding.LINEAR16.sample_bytes <= UNARY_LIMIT_BYTES
    return Request(_wire.config_request(options, array_format), pieces(), is_short, options.on_event)


def _is_short(audio: AudioFile | Microphone) -> bool:
    if isinstance(audio, Microphone) or audio.is_paced or audio.frame_count is None:
        return False
    return audio.frame_count * audio.format.frame_bytes <= UNARY_LIMIT_BYTES
