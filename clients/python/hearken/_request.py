"""From what a caller hands over to what is sent: the part of a call that is the same with and without asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from os import PathLike
from typing import BinaryIO, TypeAlias, cast

from hearken import _wire
from hearken._audio import AudioChunk, AudioFile, AudioFormat, is_recording
from hearken._connection import UNARY_LIMIT_BYTES
from hearken._errors import AudioError
from hearken._microphone import Microphone
from hearken._options import Options
from hearken.v1 import speech_pb2 as pb

Audio: TypeAlias = str | PathLike[str] | bytes | BinaryIO | Iterable[AudioChunk]
"""A path, the bytes of a recording or a binary file (see AudioFile), a Microphone, or any iterable of audio: bytes, cut
anywhere, or numpy arrays of int16."""

AsyncAudio: TypeAlias = Audio | AsyncIterable[AudioChunk]
"""As Audio, or an asynchronous iterable."""


@dataclass(frozen=True, slots=True)
class Request:
    """Audio to send, and the message to send before it. is_short: all of it fits into one message."""

    config: pb.StreamingRecognizeRequest
    audio: Iterable[AudioChunk] | AsyncIterable[AudioChunk]
    is_short: bool

    def iterable(self) -> Iterable[AudioChunk]:
        """The audio for who cannot wait for an asynchronous iterable; raises AudioError if it is one."""
        if isinstance(self.audio, AsyncIterable):
            raise AudioError("this audio is an asynchronous iterable; use AsyncClient for it")
        return self.audio


def prepare(audio: AsyncAudio, options: Options) -> Request:
    """Raises AudioError, InvalidRequest, MissingExtra or OSError before anything is sent."""
    declared = AudioFormat(options.encoding, options.sample_rate_hz, options.channels)
    if is_recording(audio):
        audio = AudioFile(
            audio, sample_rate_hz=options.sample_rate_hz, channels=options.channels, encoding=options.encoding
        )
    if isinstance(audio, AudioFile | Microphone):
        audio.format.check(declared)
        return Request(_wire.config_request(options, audio.format), audio, _is_short(audio))
    if not isinstance(audio, Iterable | AsyncIterable):
        raise AudioError(f"audio is a path, bytes, a file or something to iterate over, not {type(audio).__name__}")
    chunks = cast(Iterable[AudioChunk] | AsyncIterable[AudioChunk], audio)
    return Request(_wire.config_request(options, declared), chunks, is_short=False)


def _is_short(audio: AudioFile | Microphone) -> bool:
    if isinstance(audio, Microphone) or audio.is_paced or audio.frame_count is None:
        return False
    return audio.frame_count * audio.format.frame_bytes <= UNARY_LIMIT_BYTES
