"""What a caller may ask for, as keyword arguments; the same for the synchronous and the asynchronous client.

Values are checked by the server, which knows its limits; `_wire.py` refuses only what could not be sent at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypedDict

from hearken._errors import InvalidRequest
from hearken._results import SpeechEvent


class Encoding(Enum):
    """How audio is encoded. Containers that say it themselves (WAV and others) need none of these."""

    LINEAR16 = "LINEAR16"
    """Signed 16-bit little-endian."""
    MULAW = "MULAW"
    """8-bit G.711 mu-law."""
    ALAW = "ALAW"
    """8-bit G.711 A-law."""
    FLAC = "FLAC"
    """A FLAC stream, sent as it is and decoded by the server."""
    OGG_OPUS = "OGG_OPUS"
    """Opus in an Ogg container, sent as it is and decoded by the server."""

    @property
    def is_compressed(self) -> bool:
        """Whether the audio has a header of its own and no samples of a fixed size."""
        return self in (Encoding.FLAC, Encoding.OGG_OPUS)

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of one channel; of raw audio only."""
        if self.is_compressed:
            raise ValueError(f"samples of {self.value} have no fixed size")
        return 2 if self is Encoding.LINEAR16 else 1

    @property
    def silence(self) -> bytes:
        """A sample of silence; of raw audio only."""
        return {Encoding.LINEAR16: b"\0\0", Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5"}[self]


@dataclass(frozen=True, slots=True)
class PhraseHint:
    """A word or phrase that is more likely here than in the language at large.

    boost: log-probability bonus for each word of the phrase, 0 to 20; None: the server's default.
    """

    phrase: str
    boost: float | None = None


class TranscribeOptions(TypedDict, total=False):
    """Keyword arguments of `transcribe`. All may be left out.

    The audio:

    sample_rate_hz: of raw audio, 8000 to 48000. Needed for audio without a header.
    channels: of raw audio, interleaved. Default 1.
    encoding: of raw audio, default `Encoding.LINEAR16`; or of compressed audio that the server is to decode.
    separate_channels: recognize each channel by itself (results have `channel_tag`), not the mix. Default False.

    What to recognize:

    model: a name from `models()`. Default: the server's.
    language: BCP-47, for example "en-US". Default: the model's.
    phrase_hints: words and phrases to expect: texts, or `PhraseHint` with a boost.
    beam_size: hypotheses kept at each step of the final pass, 1 to 1000. Default: the model's tuning.
    language_model_weight: 0 to 5. word_bonus: for each word, -5 to 5. Defaults: the model's tuning.
    end_silence_s: silence after speech that ends an utterance, 0.2 to 10 s. Default: the server's.
    max_utterance_s: a longer utterance is cut at its best pause, 5 to 60 s. Default: the server's.

    What to return:

    max_alternatives: readings of a final result, at most; 1 to 30. Default 1.
    word_info: start, end and confidence of each word of final results. Default False.
    automatic_punctuation: capitals and punctuation, by rules. Default False.
    inverse_text_normalization: numbers, dates and the like in digits, by rules. Default False.
    profanity_filter: asterisks for all but the first letter of profane words. Default False.
    replacements: literal replacements in final text, applied last and in this order.
    """

    sample_rate_hz: int | None
    channels: int | None
    encoding: Encoding | None
    separate_channels: bool
    model: str
    language: str
    phrase_hints: Sequence[PhraseHint | str]
    beam_size: int | None
    language_model_weight: float | None
    word_bonus: float | None
    end_silence_s: float | None
    max_utterance_s: float | None
    max_alternatives: int
    word_info: bool
    automatic_punctuation: bool
    inverse_text_normalization: bool
    profanity_filter: bool
    replacements: Mapping[str, str] | Sequence[tuple[str, str]]


class StreamOptions(TranscribeOptions, total=False):
    """Keyword arguments of `stream`: those of `transcribe`, and

    interim_results: results while an utterance is spoken. Default True.
    latency_ms: how soon interim results come: a `Latency` or its number, 160, 320, 640 or 1280. Default: the model's.
    single_utterance: end the stream after the first utterance. Default False.
    no_speech_timeout_s: end the stream if nobody has spoken for so long, 1 to 600 s. Default: never.
    on_event: called with each SpeechEvent, where speech begins and ends, in the order of the results. Default: none are
        asked for. (With no_speech_timeout_s alone the stream just ends.)
    """

    interim_results: bool
    latency_ms: int | None
    single_utterance: bool
    no_speech_timeout_s: float | None
    on_event: Callable[[SpeechEvent], None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The keyword arguments with their defaults; their meaning is told above."""

    sample_rate_hz: int | None = None
    channels: int | None = None
    encoding: Encoding | None = None
    separate_channels: bool = False
    model: str = ""
    language: str = ""
    phrase_hints: Sequence[PhraseHint | str] = ()
    beam_size: int | None = None
    language_model_weight: float | None = None
    word_bonus: float | None = None
    end_silence_s: float | None = None
    max_utterance_s: float | None = None
    max_alternatives: int = 1
    word_info: bool = False
    automatic_punctuation: bool = False
    inverse_text_normalization: bool = False
    profanity_filter: bool = False
    replacements: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    interim_results: bool = True
    latency_ms: int | None = None
    single_utterance: bool = False
    no_speech_timeout_s: float | None = None
    on_event: Callable[[SpeechEvent], None] | None = None

    def __post_init__(self) -> None:
        """Raises InvalidRequest for what a type checker would have found and the server never sees."""
        if not isinstance(self.encoding, Encoding | None):
            names = ", ".join(f"Encoding.{encoding.name}" for encoding in Encoding)
            raise InvalidRequest(f"encoding is {self.encoding!r}; use one of {names}")
