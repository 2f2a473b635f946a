"""What comes back: frozen values. Times are seconds from the first sample of the audio.

Nothing here knows the wire; `_wire.py` makes these from messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Latency(IntEnum):
    """The longest wait, in milliseconds of audio, between a sound and the interim result that contains it.

    Final text does not depend on it. Equal to its number: `Latency.MS_320 == 320`.
    """

    MS_160 = 160
    MS_320 = 320
    MS_640 = 640
    MS_1280 = 1280


@dataclass(frozen=True, slots=True, repr=False)
class Word:
    """One word and when it was said. confidence: 0 to 1; None if not estimated."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None

    def __repr__(self) -> str:
        return f"<Word {self.text!r} {self.start_s:.2f}-{self.end_s:.2f} s>"


@dataclass(frozen=True, slots=True, repr=False)
class Alternative:
    """One reading of an utterance.

    confidence: 0 to 1; None if not estimated. words: with `word_info`, in final results.
    """

    transcript: str
    confidence: float | None = None
    words: tuple[Word, ...] = ()

    def __repr__(self) -> str:
        confidence = "" if self.confidence is None else f" confidence={self.confidence:.2f}"
        return f"<Alternative {self.transcript!r}{confidence}>"


@dataclass(frozen=True, slots=True, repr=False)
class AudioClock:
    """How far the server is.

    received_s: audio received so far. recognized_s: audio that the results sent so far take into account.
    """

    received_s: float
    recognized_s: float

    @property
    def lag_s(self) -> float:
        """Buffered audio plus unfinished work, in seconds of audio."""
        return self.received_s - self.recognized_s

    def __repr__(self) -> str:
        return f"<AudioClock received={self.received_s:.2f} s recognized={self.recognized_s:.2f} s>"


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """The text of an utterance (final), or of what has been heard of it so far (interim).

    An interim result replaces the one before it; a final result replaces the interim results of its utterance.

    alternatives: best first; interim results have one.
    stability: how likely an interim text is to stay, 0 to 1; 1 for final results.
    start_s, end_s: the utterance, or the part of it that this result covers.
    utterance: its number in the stream (and channel), from 0.
    channel_tag: 1 for the first channel when channels are recognized separately, otherwise 0.
    committed_chars: leading characters of an interim text that no later one changes.
    language: BCP-47, or "" if the server does not say.
    clock: where the stream stood when this result was sent; None for a recording that was sent whole.
    model: name of the model in use. stream_id: the server's, as in its logs; after a reconnect another one.
    """

    alternatives: tuple[Alternative, ...]
    is_final: bool
    start_s: float
    end_s: float
    utterance: int = 0
    stability: float = 0.0
    channel_tag: int = 0
    committed_chars: int = 0
    language: str = ""
    clock: AudioClock | None = None
    model: str = ""
    stream_id: str = ""

    @property
    def text(self) -> str:
        """The best reading; "" when nothing was said."""
        return self.alternatives[0].transcript if self.alternatives else ""

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of the best reading."""
        return self.alternatives[0].words if self.alternatives else ()

    @property
    def confidence(self) -> float | None:
        """Of the best reading, 0 to 1; None if not estimated."""
        return self.alternatives[0].confidence if self.alternatives else None

    def __repr__(self) -> str:
        kind = "final" if self.is_final else "interim"
        return f"<Result {kind} {self.start_s:.2f}-{self.end_s:.2f} s {self.text!r}>"


class SpeechEventType(Enum):
    """What has happened in the audio."""

    SPEECH_BEGIN = "SPEECH_BEGIN"
    SPEECH_END = "SPEECH_END"
    END_OF_UTTERANCE = "END_OF_UTTERANCE"
    NO_SPEECH_TIMEOUT = "NO_SPEECH_TIMEOUT"


@dataclass(frozen=True, slots=True, repr=False)
class SpeechEvent:
    """Something that has happened in the audio, and when.

    channel_tag: whose, from 1, when channels are recognized separately; otherwise 0.
    """

    type: SpeechEventType
    time_s: float
    channel_tag: int = 0

    def __repr__(self) -> str:
        channel = f" channel {self.channel_tag}" if self.channel_tag else ""
        return f"<SpeechEvent {self.type.value} {self.time_s:.2f} s{channel}>"


@dataclass(frozen=True, slots=True, repr=False)
class Transcript:
    """All that was said in a recording: one final result for each utterance, in order.

    audio_s: length of the audio. model: name of the model used.
    """

    results: tuple[Result, ...]
    audio_s: float
    model: str = ""

    @property
    def text(self) -> str:
        """The whole text: the utterances joined by spaces."""
        return " ".join(result.text for result in self.results if result.text)

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all utterances; empty without `word_info`."""
        return tuple(word for result in self.results for word in result.words)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Transcript {self.audio_s:.2f} s {self.text!r}>"


@dataclass(frozen=True, slots=True)
class WordErrorRate:
    """A figure of the model card. setting: "final", or the latency of interim text."""

    test_set: str
    setting: str
    percent: float


@dataclass(frozen=True, slots=True, repr=False)
class Model:
    """A model that the server offers.

    language: BCP-47. sample_rate_hz: its own; the server resamples other rates.
    features: names of the optional request fields that it honors.
    """

    name: str
    language: str
    sample_rate_hz: int
    latencies: tuple[Latency, ...]
    default_latency: Latency | None
    features: tuple[str, ...] = ()
    word_error_rates: tuple[WordErrorRate, ...] = ()
    description: str = ""

    def __repr__(self) -> str:
        return f"<Model {self.name!r} {self.language} {self.sample_rate_hz} Hz>"
