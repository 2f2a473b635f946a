"""What a caller may ask for, as keyword arguments; the same for the synchronous and the asynchronous client.

Values are checked by the server, which knows its limits; `_wire.py` refuses only what could not be sent at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypedDict


class Encoding(Enum):
    """How raw audio is encoded, one value a sample. Containers (WAV and others) say it themselves."""

    LINEAR16 = "LINEAR16"
    """Signed 16-bit little-endian."""
    MULAW = "MULAW"
    """8-bit G.711 mu-law."""
    ALAW = "ALAW"
    """8-bit G.711 A-law."""

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of one channel."""
        return 2 if self is Encoding.LINEAR16 else 1


class TranscribeOptions(TypedDict, total=False):
    """Keyword arguments of `transcribe`. All may be left out.

    sample_rate_hz: of raw audio, 8000 to 48000. Needed for audio without a header.
    channels: of raw audio, interleaved. Default 1. The server recognizes their mix.
    encoding: of raw audio. Default `Encoding.LINEAR16`.
    model: a name from `models()`. Default: the server's.
    language: BCP-47, for example "en-US". Default: the model's.
    max_alternatives: readings of a final result, at most; 1 to 30. Default 1.
    word_info: start, end and confidence of each word of final results. Default False.
    end_silence_s: silence after speech that ends an utterance, 0.2 to 10 s. Default: the server's.
    max_utterance_s: a longer utterance is cut at its best pause, 5 to 60 s. Default: the server's.
    """

    sample_rate_hz: int | None
    channels: int | None
    encoding: Encoding | None
    model: str
    language: str
    max_alternatives: int
    word_info: bool
    end_silence_s: float | None
    max_utterance_s: float | None


class StreamOptions(TranscribeOptions, total=False):
    """Keyword arguments of `stream`: those of `transcribe`, and

    interim_results: results while an utterance is spoken. Default True.
    latency_ms: how soon interim results come: a `Latency` or its number, 160, 320, 640 or 1280. Default: the model's.
    """

    interim_results: bool
    latency_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The keyword arguments with their defaults; their meaning is told above."""

    sample_rate_hz: int | None = None
    channels: int | None = None
    encoding: Encoding | None = None
    model: str = ""
    language: str = ""
    max_alternatives: int = 1
    word_info: bool = False
    end_silence_s: float | None = None
    max_utterance_s: float | None = None
    interim_results: bool = True
    latency_ms: int | None = None
