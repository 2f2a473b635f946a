"""What goes into recognition and what comes out: frozen values, times in seconds from the stream's first sample."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

DEFAULT_LATENCY_MS = 640


class Encoding(Enum):
    """How audio bytes are encoded."""

    FROM_HEADER = "from header"
    LINEAR16 = "LINEAR16"
    MULAW = "MULAW"
    ALAW = "ALAW"


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What the caller says about the audio; 0 and FROM_HEADER leave it to the audio's own header (WAV)."""

    encoding: Encoding = Encoding.FROM_HEADER
    sample_rate_hz: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True)
class EndpointingOptions:
    """When an utterance ends: after end_silence_s without speech, at the latest after max_utterance_s."""

    end_silence_s: float = 0.8
    max_utterance_s: float = 20.0


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """What one caller wants.

    interim: give interim results. latency_ms: one of the model's latencies; concerns interim results only.
    max_alternatives: of a final result, best first. word_info: times of the words of final results.
    """

    interim: bool = True
    latency_ms: int = DEFAULT_LATENCY_MS
    max_alternatives: int = 1
    word_info: bool = True
    endpointing: EndpointingOptions = field(default_factory=EndpointingOptions)


@dataclass(frozen=True, slots=True)
class Word:
    """One word and when it was said. confidence: 0 to 1; 0 means not estimated."""

    text: str
    start_s: float
    end_s: float
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Alternative:
    """One reading of an utterance. confidence: 0 to 1; 0 means not estimated."""

    transcript: str
    confidence: float = 0.0
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """The text of an utterance (final), or of what has been heard of it so far (interim).

    alternatives: at least one. stability: how likely an interim text is to stay, 0 to 1; 1 for finals.
    utterance: its number in the stream, from 0.
    """

    alternatives: tuple[Alternative, ...]
    is_final: bool
    start_s: float
    end_s: float
    utterance: int
    stability: float = 0.0
