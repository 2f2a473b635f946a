"""Audio bytes to samples: raw PCM, mu-law and A-law, the WAV container, mixing to mono, streaming resampling to 16 kHz.

All of it takes pieces of any size and gives the same samples for every way of cutting. Features are `features.py`'s.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchaudio.transforms import Resample

from models.errors import InvalidAudio
from models.features import SAMPLE_RATE_HZ
from models.types import AudioFormat, Encoding

MIN_SAMPLE_RATE_HZ = 8_000
MAX_SAMPLE_RATE_HZ = 48_000
MAX_CHANNELS = 8

_BYTES_PER_SAMPLE = {Encoding.LINEAR16: 2, Encoding.MULAW: 1, Encoding.ALAW: 1}
_WAV_ENCODINGS = {1: Encoding.LINEAR16, 6: Encoding.ALAW, 7: Encoding.MULAW}
_WAV_EXTENSIBLE = 0xFFFE
_MAX_WAV_HEADER_BYTES = 64 * 1024
SAMPLE_GRID = 2.0**-22
_MAX_RATIO_TERM = 640  # odd rates are resampled by the nearest ratio of such terms: less than 0.1 % too fast or slow


class AudioDecoder:
    """One caller's bytes -> [C, N] float32 samples in [-1, 1] at 16 kHz; C is 1, or all channels if they are separate."""

    def __init__(self, declared: AudioFormat) -> None:
        """Raises InvalidAudio when the declared format cannot be right for any audio."""
        self._declared = declared
        self._header: bytearray | None = bytearray()
        self._pending = b""
        self._data_left: int | None = None
        self._format = AudioFormat()
        self._resampler: StreamingResampler | None = None
        _check_range(declared, complete=False)

    def accept(self, data: bytes) -> Tensor:
        """The samples that these bytes complete. Raises InvalidAudio for a header that is wrong or not understood."""
        if self._header is not None:
            self._header += data
            body = self._parse_header(at_end=False)
            if body is None:
                return _nothing()
            data = body
        return self._decode(data)

    def finish(self) -> Tensor:
        """The last samples. Raises InvalidAudio when the bytes end in the middle of a sample."""
        samples = _nothing()
        if self._header is not None:
            if not self._header:
                return samples
            samples = self._decode(self._parse_header(at_end=True) or b"")
        if self._pending:
            frame = _BYTES_PER_SAMPLE[self._format.encoding] * self._format.channels
            raise InvalidAudio(
                f"the audio ends in the middle of a sample: its length must be a multiple of {frame} bytes for "
                f"{self._format.encoding.value} with {self._format.channels} channel(s), "
                f"{len(self._pending)} are left over"
            )
        if self._resampler is not None:
            rest = self._resampler.finish()
            samples = torch.cat([samples, rest], dim=1) if samples.shape[1] else rest
        return samples

    def _parse_header(self, *, at_end: bool) -> bytes | None:
        """The bytes after the header, or None while more of it is needed."""
        assert self._header is not None
        header = bytes(self._header)
        if not at_end and len(header) < 4 and b"RIFF".startswith(header):
            return None
        if header[:4] == b"RIFF":
            found = _read_wav_header(header)
            if found is None:
                if at_end or len(header) > _MAX_WAV_HEADER_BYTES:
                    raise InvalidAudio("the WAV header has no data chunk; is the file truncated?")
                return None
            actual, body_at, self._data_left = found
            _check_agreement(self._declared, actual)
            self._format, header = actual, header[body_at:]
        elif self._declared.encoding is Encoding.FROM_HEADER:
            raise InvalidAudio(
                "the audio has no WAV header and no encoding was given; "
                "set the encoding and the sample rate of raw audio"
            )
        else:
            declared = self._declared
            self._format = replace(declared, channels=declared.channels or 1)
        _check_range(self._format, complete=True)
        if self._format.sample_rate_hz != SAMPLE_RATE_HZ:
            channels = self._format.channels if self._declared.separate_channels else 1
            self._resampler = StreamingResampler(self._format.sample_rate_hz, channels)
        self._header = None
        return header

    def _decode(self, data: bytes) -> Tensor:
        if self._data_left is not None:  # what follows a WAV file's data chunk is not audio
            data = data[: self._data_left]
            self._data_left -= len(data)
        data = self._pending + data
        frame = _BYTES_PER_SAMPLE[self._format.encoding] * self._format.channels
        whole = len(data) // frame * frame
        self._pending = data[whole:]
        samples = _TO_FLOAT[self._format.encoding](data[:whole])
        samples = samples.reshape(-1, self._format.channels).T
        if not self._declared.separate_channels:
            samples = samples.mean(axis=0, keepdims=True)
        channels = torch.from_numpy(np.ascontiguousarray(samples))
        return channels if self._resampler is None else self._resampler.accept(channels)


class StreamingResampler:
    """[C, N] samples at `rate_hz` -> samples at 16 kHz; the same output for every cutting of the input.

    Works on whole blocks with their context, in float64, whose last bits depend on how many blocks are computed
    together; rounding to SAMPLE_GRID removes them.
    """

    def __init__(self, rate_hz: int, channels: int = 1) -> None:
        ratio = Fraction(rate_hz, SAMPLE_RATE_HZ).limit_denominator(_MAX_RATIO_TERM)
        self._into, self._out = ratio.numerator, ratio.denominator
        self._resample = Resample(self._into, self._out, dtype=torch.float64)
        # Samples of context on each side: the filter's half width at the lower of the two rates, and one unit to spare.
        filter_width = int(self._resample.lowpass_filter_width / self._resample.rolloff)
        self._context_units = -(-filter_width * max(1, -(-self._into // self._out)) // self._into) + 1
        self._context = self._context_units * self._into
        self._pending = torch.zeros(channels, self._context)
        self._received = self._emitted = 0

    def accept(self, samples: Tensor) -> Tensor:
        """The output samples whose whole context has arrived."""
        self._received += samples.shape[1]
        self._pending = torch.cat([self._pending, samples], dim=1)
        units = self._pending.shape[1] // self._into - 2 * self._context_units
        if units <= 0:
            return self._pending[:, :0]
        window = self._pending[:, : units * self._into + 2 * self._context].double()
        drop = self._context_units * self._out
        out: Tensor = self._resample(window)[:, drop : drop + units * self._out]
        self._pending = self._pending[:, units * self._into :].clone()
        self._emitted += out.shape[1]
        return ((out / SAMPLE_GRID).round() * SAMPLE_GRID).float()

    def finish(self) -> Tensor:
        """The rest, as if silence followed; the total is the input's length times the ratio, rounded up."""
        missing = -(-self._received * self._out // self._into) - self._emitted
        silence = torch.zeros(len(self._pending), 2 * self._context + self._into)
        return self.accept(silence)[:, :missing]


def _read_wav_header(header: bytes) -> tuple[AudioFormat, int, int | None] | None:
    """Format, offset of the samples, their number of bytes (None: until the end); None while bytes are missing."""
    if len(header) < 12:
        return None
    if header[8:12] != b"WAVE":
        raise InvalidAudio("the audio begins with RIFF but is not a WAVE file")
    at, actual = 12, None
    while len(header) >= at + 8:
        name, size = header[at : at + 4], struct.unpack_from("<I", header, at + 4)[0]
        if name == b"data":
            if actual is None:
                raise InvalidAudio("the WAV header has no fmt chunk before its data")
            streamed = size in (0, 0xFFFFFFFF)  # writers that do not know the length in advance
            return actual, at + 8, None if streamed else size
        if name == b"fmt ":
            if len(header) < at + 8 + size:
                return None
            actual = _read_wav_format(header[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    return None


def _read_wav_format(chunk: bytes) -> AudioFormat:
    if len(chunk) < 16:
        raise InvalidAudio("the fmt chunk of the WAV header is too short")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _WAV_EXTENSIBLE and len(chunk) >= 26:
        tag = struct.unpack_from("<H", chunk, 24)[0]
    encoding = _WAV_ENCODINGS.get(tag)
    if encoding is None or bits != 8 * _BYTES_PER_SAMPLE[encoding]:
        raise InvalidAudio(
            f"the WAV file holds format {tag} with {bits} bits a sample; send 16-bit PCM, 8-bit mu-law or 8-bit A-law"
        )
    return AudioFormat(encoding, rate_hz, channels)


def _check_agreement(declared: AudioFormat, actual: AudioFormat) -> None:
    for what, said, found in (
        ("encoding", declared.encoding.value, actual.encoding.value),
        ("sample rate in Hz", declared.sample_rate_hz, actual.sample_rate_hz),
        ("number of channels", declared.channels, actual.channels),
    ):
        if said not in (0, Encoding.FROM_HEADER.value, found):
            raise InvalidAudio(f"the {what} was given as {said}, but the WAV header says {found}")


def _check_range(audio: AudioFormat, *, complete: bool) -> None:
    raw = complete or audio.encoding is not Encoding.FROM_HEADER
    rate_hz, channels = audio.sample_rate_hz, audio.channels
    if complete and rate_hz == 0:
        raise InvalidAudio("the sample rate is missing; give sample_rate_hz of raw audio")
    if (rate_hz or complete) and not MIN_SAMPLE_RATE_HZ <= rate_hz <= MAX_SAMPLE_RATE_HZ:
        raise InvalidAudio(f"a sample rate of {rate_hz} Hz is outside {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz")
    if (channels or (complete and raw)) and not 1 <= channels <= MAX_CHANNELS:
        raise InvalidAudio(f"{channels} channels are outside 1 to {MAX_CHANNELS}")


def _nothing() -> Tensor:
    return torch.zeros(1, 0)


def _linear16(data: bytes) -> npt.NDArray[np.float32]:
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(32768)


def _g711_table(encoding: Encoding) -> npt.NDArray[np.float32]:
    """The 256 values of an 8-bit G.711 code (ITU-T G.711) in [-1, 1]."""
    code = np.arange(256) ^ (0xFF if encoding is Encoding.MULAW else 0x55)
    exponent, mantissa = (code >> 4) & 7, code & 15
    if encoding is Encoding.MULAW:
        magnitude = (((mantissa << 3) + 132) << exponent) - 132
        positive = code & 0x80 == 0
    else:
        magnitude = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 264) << np.maximum(exponent - 1, 0))
        positive = code & 0x80 != 0
    return (np.where(positive, magnitude, -magnitude) / 32768).astype(np.float32)


_MULAW_TABLE = _g711_table(Encoding.MULAW)
_ALAW_TABLE = _g711_table(Encoding.ALAW)


def _mulaw(data: bytes) -> npt.NDArray[np.float32]:
    return _MULAW_TABLE[np.frombuffer(data, dtype=np.uint8)]


def _alaw(data: bytes) -> npt.NDArray[np.float32]:
    return _ALAW_TABLE[np.frombuffer(data, dtype=np.uint8)]


_TO_FLOAT = {Encoding.LINEAR16: _linear16, Encoding.MULAW: _mulaw, Encoding.ALAW: _alaw}
