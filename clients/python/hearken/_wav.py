"""WAV by hand: the header of a file or of a pipe, and PCM of any width as 16-bit samples.

Python's `wave` module reads neither mu-law nor A-law nor, before Python 3.12, the extensible format of many programs.
Other formats are `_soundfile.py`'s.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from hearken._errors import AudioError

RIFF_BYTES = 12  # "RIFF", a length, "WAVE"

_PCM, _ALAW, _MULAW, _EXTENSIBLE = 1, 6, 7, 0xFFFE
_LENGTH_UNKNOWN = (0, 0xFFFFFFFF)  # what programs write which cannot go back to correct the header
_FMT_LIMIT_BYTES = 1024
_FLIP_SIGN = bytes(value ^ 0x80 for value in range(256))


class UnsupportedWav(Exception):
    """A sound WAV file whose kind of samples is not read here."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What a WAV header says.

    law: "MULAW", "ALAW" or None for PCM. sample_bits: of one sample of one channel. data_bytes: None: unknown.
    """

    law: str | None
    sample_bits: int
    sample_rate_hz: int
    channels: int
    data_bytes: int | None

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * self.sample_bits // 8


def is_wav(head: bytes) -> bool:
    """Whether audio that begins with these RIFF_BYTES is WAV."""
    return head[:4] == b"RIFF" and head[8:RIFF_BYTES] == b"WAVE"


def read_header(file: BinaryIO) -> WavHeader:
    """Reads up to the first sample. The file stands behind the RIFF_BYTES at first, and need not be seekable."""
    fmt: bytes | None = None
    while True:
        name, length = struct.unpack("<4sI", _read(file, 8))
        if name == b"data":
            if fmt is None:
                raise AudioError("this WAV file is damaged: samples before their format")
            return _header(fmt, None if length in _LENGTH_UNKNOWN else length)
        if name == b"fmt ":
            if length > _FMT_LIMIT_BYTES:
                raise AudioError("this WAV file is damaged: its format is too long")
            fmt = _read(file, length)
        else:
            _skip(file, length)
        _skip(file, length % 2)


def to_16_bit(samples: bytes, sample_bits: int) -> bytes:
    """Little-endian PCM of 8 (unsigned), 16, 24 or 32 bits as signed 16-bit PCM; the lower bits are cut off."""
    if sample_bits == 16:
        return samples
    width = sample_bits // 8
    result = bytearray(len(samples) // width * 2)
    if sample_bits == 8:
        result[1::2] = samples.translate(_FLIP_SIGN)
    else:
        result[0::2] = samples[width - 2 :: width]
        result[1::2] = samples[width - 1 :: width]
    return bytes(result)


def _header(fmt: bytes, data_bytes: int | None) -> WavHeader:
    if len(fmt) < 16:
        raise AudioError("this WAV file is damaged: its format is too short")
    kind, channels, sample_rate_hz, _, frame_bytes, sample_bits = struct.unpack("<HHIIHH", fmt[:16])
    if kind == _EXTENSIBLE and len(fmt) >= 26:
        (kind,) = struct.unpack("<H", fmt[24:26])
    if channels == 0 or sample_rate_hz == 0:
        raise AudioError("this WAV file is damaged: no channels or no sample rate")
    readable = sample_bits in (8, 16, 24, 32) if kind == _PCM else kind in (_ALAW, _MULAW) and sample_bits == 8
    if not readable or frame_bytes != channels * sample_bits // 8:
        raise UnsupportedWav(f"WAV of kind {kind} with {sample_bits} bits a sample")
    law = {_ALAW: "ALAW", _MULAW: "MULAW"}.get(kind)
    return WavHeader(law, sample_bits, sample_rate_hz, channels, data_bytes)


def _read(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise AudioError("this WAV file is damaged: it ends inside its header")
    return data


def _skip(file: BinaryIO, length: int) -> None:
    while length > 0:
        length -= len(_read(file, min(length, 1 << 16)))
