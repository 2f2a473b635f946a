"""Bytes of samples to numbers: 16-bit PCM and G.711."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.types import Encoding

Samples = npt.NDArray[np.float32]
"""[C, N] in [-1, 1]"""

BYTES_PER_SAMPLE = {Encoding.LINEAR16: 2, Encoding.MULAW: 1, Encoding.ALAW: 1}


def samples_of(data: bytes, encoding: Encoding, channels: int) -> Samples:
    """Interleaved samples, a whole number of frames of all channels, -> [C, N]."""
    if encoding is Encoding.LINEAR16:
        flat = np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(32768)
    else:
        table = _MULAW_TABLE if encoding is Encoding.MULAW else _ALAW_TABLE
        flat = table[np.frombuffer(data, dtype=np.uint8)]
    return flat.reshape(-1, channels).T


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
