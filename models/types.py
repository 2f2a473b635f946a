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
    FLAC = "FLAC"
    OGG_OPUS = "OGG_OPUS"


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What the caller says about the audio; 0 and FROM_HEADER leave it to the audio's own header.

    separate_channels: recognize each channel by itself, instead of the mix of all.
    """

    encoding: Encoding = Encoding.FROM_HEADER
    sample_rate_hz: int = 0
    channels: int = 0
    separate_channels: bool = False


@dataclass(frozen=True, slots=True)
class BlankEndpointing:
    """Where utterances begin and end by the share of the acoustic model's outputs that are blanks, as Riva defines it.

    An utterance has begun when start_threshold of the outputs of start_history_s are no blanks, and ends when
    stop_threshold of those of stop_history_s are. The first_stop pair, if there is one, announces that: with an interim
    result of stability 1.
    """

    start_history_s: float = 0.2
    start_threshold: float = 0.2
    stop_history_s: float = 0.8
    stop_threshold: float = 0.98
    first_stop_history_s: float | None = None
    first_stop_threshold: float = 0.98


@dataclass(frozen=True, slots=True)
class EndpointingOptions:
    """When an utterance ends: after end_silence_s without speech, at the latest after max_utterance_s.

    single_utterance: the stream ends with its first utterance that holds words.
    speech_start_timeout_s, speech_end_timeout_s: the stream ends when nobody has begun to speak for so long, or nobody
    has gone on; None: never. blanks: instead of end_silence_s.
    """

    end_silence_s: float = 0.8
    max_utterance_s: float = 20.0
    single_utterance: bool = False
    speech_start_timeout_s: float | None = None
    speech_end_timeout_s: float | None = None
    blanks: BlankEndpointing | None = None


@dataclass(frozen=True, slots=True)
class DecoderOptions:
    """Beam search of the final pass; None: the model's own tuning."""

    beam_size: int | None = None
    language_model_weight: float | None = None
    word_bonus: float | None = None


@dataclass(frozen=True, slots=True)
class PhraseHint:
    """A word or phrase that is to be expected. boost: bonus of each of its words, natural logarithm; 0: the default."""

    phrase: str
    boost: float = 0.0


@dataclass(frozen=True, slots=True)
class Replacement:
    """Text that is written instead of other text. ignores_case: the search takes capitals and small letters as one."""

    search: str
    replace: str
    ignores_case: bool = False


@dataclass(frozen=True, slots=True)
class TextOptions:
    """How final text is written; verbatim in lowercase if nothing is set. In the order in which it is done."""

    inverse_text_normalization: bool = False
    automatic_punctuation: bool = False
    profanity_filter: bool = False
    replacements: tuple[Replacement, ...] = ()


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """What one caller wants.

    model: its name; empty: the server's default. interim: give interim results. latency_ms: one of the model's
    latencies; concerns interim results only. speech_events: give events beside results. max_alternatives: of a final
    result, best first. word_info: times and confidences of the words of final results.
    """

    model: str = ""
    interim: bool = True
    latency_ms: int = DEFAULT_LATENCY_MS
    speech_events: bool = False
    max_alternatives: int = 1
    word_info: bool = True
    endpointing: EndpointingOptions = field(default_factory=EndpointingOptions)
    decoder: DecoderOptions = field(default_factory=DecoderOptions)
    phrase_hints: tuple[PhraseHint, ...] = ()
    text: TextOptions = field(default_factory=TextOptions)


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
    utterance: its number in the stream and channel, from 0. channel_tag: 1 for the first channel if channels are
    recognized separately, otherwise 0. committed_chars: leading characters of an interim text, whole words, which no
    later interim result of the utterance changes.
    """

    alternatives: tuple[Alternative, ...]
    is_final: bool
    start_s: float
    end_s: float
    utterance: int
    stability: float = 0.0
    channel_tag: int = 0
    committed_chars: int = 0


class SpeechEventType(Enum):
    """What has happened in the audio."""

    SPEECH_BEGIN = "speech begin"
    SPEECH_END = "speech end"
    END_OF_UTTERANCE = "end of utterance"
    NO_SPEECH_TIMEOUT = "no speech timeout"


@dataclass(frozen=True, slots=True)
class SpeechEvent:
    """Something that has happened in the audio, and when. channel_tag: as in Result."""

    type: SpeechEventType
    time_s: float
    channel_tag: int = 0
