"""One caller's bytes to samples at 16 kHz: finds out what they are, decodes, mixes or separates channels, resamples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.audio import flac, ogg
from models.audio.flac import FlacDecoder
from models.audio.formats import check_declared
from models.audio.opus import OpusDecoder
from models.audio.pcm import BYTES_PER_SAMPLE, Samples
from models.audio.resampling import StreamingResampler
from models.audio.wav import WavDecoder
from models.errors import InvalidAudio
from models.features import SAMPLE_RATE_HZ
from models.types import AudioFormat, Encoding

RAW_PIECE_BYTES = 32 * 1024
"""1 s of 16 kHz audio, about 10 ms of work."""
COMPRESSED_PIECE_BYTES = 1024
"""May become seconds of audio, and of silence minutes."""

_WAV_MAGIC = b"RIFF"
_MAGIC_BYTES = 4
_NOT_TAKEN = (
    (b"ID3", "an MP3 file"),
    (b"\xff\xfb", "an MP3 file"),
    (b"\x1a\x45\xdf\xa3", "a WebM or Matroska file"),
    (b"FORM", "an AIFF file"),
    (b"RF64", "an RF64 file"),
)


class _Decoder(Protocol):
    """Bytes -> [C, N] samples at the rate of `format`, which is known before the first sample."""

    format: AudioFormat | None

    def accept(self, data: bytes) -> Iterator[Samples]: ...
    def finish(self) -> Iterator[Samples]: ...


class AudioDecoder:
    """One caller's bytes -> [C, N] float32 samples in [-1, 1] at 16 kHz; C is 1 unless channels are separate."""

    def __init__(self, declared: AudioFormat) -> None:
        """Raises InvalidAudio when the declared format cannot be right for any audio."""
        check_declared(declared)
        self._declared = declared
        self._head = b""
        self._decoder: _Decoder | None = None  # chosen by the first bytes
        self._resampler: StreamingResampler | None = None

    @property
    def piece_bytes(self) -> int:
        """Most bytes that should be given to the next `accept`, so that it takes neither long nor much memory."""
        return RAW_PIECE_BYTES if isinstance(self._decoder, WavDecoder) else COMPRESSED_PIECE_BYTES

    def accept(self, data: bytes) -> Iterator[Tensor]:
        """The samples that these bytes complete, in short runs. Raises InvalidAudio."""
        if self._decoder is None:
            self._head += data
            if len(self._head) < _MAGIC_BYTES:
                return
            self._decoder, data, self._head = self._choose(), self._head, b""
        yield from map(self._convert, self._decoder.accept(data))

    def finish(self) -> Iterator[Tensor]:
        """The last samples. Raises InvalidAudio when the bytes end where no audio may end."""
        if self._decoder is None:
            if not self._head:
                return
            self._decoder = self._choose()
            yield from map(self._convert, self._decoder.accept(self._head))
        yield from map(self._convert, self._decoder.finish())
        if self._resampler is not None:
            yield self._resampler.finish()

    def _choose(self) -> _Decoder:
        declared, magic = self._declared, self._head[:_MAGIC_BYTES]
        if magic == _WAV_MAGIC:
            return WavDecoder(declared, is_raw=False)
        if magic == flac.MAGIC:
            return FlacDecoder(declared)
        if magic == ogg.MAGIC:
            return OpusDecoder(declared)
        if declared.encoding in BYTES_PER_SAMPLE:
            return WavDecoder(declared, is_raw=True)
        if declared.encoding is not Encoding.FROM_HEADER:
            raise InvalidAudio(
                f"the encoding was given as {declared.encoding.value}, but the audio does not begin with its header"
            )
        for beginning, what in _NOT_TAKEN:
            if magic.startswith(beginning):
                raise InvalidAudio(f"this is {what}; send WAV, FLAC, Ogg Opus or raw audio")
        raise InvalidAudio(
            "the audio has no WAV, FLAC or Ogg header and no encoding was given;"
            " set the encoding and the sample rate of raw audio"
        )

    def _convert(self, samples: Samples) -> Tensor:
        assert self._decoder is not None and self._decoder.format is not None
        if len(samples) > 1 and not self._declared.separate_channels:
            samples = samples.mean(axis=0, keepdims=True)
        channels = torch.from_numpy(np.ascontiguousarray(samples))
        rate_hz = self._decoder.format.sample_rate_hz
        if rate_hz == SAMPLE_RATE_HZ:
            return channels
        if self._resampler is None:
            self._resampler = StreamingResampler(rate_hz, len(channels))
        return self._resampler.accept(channels)
