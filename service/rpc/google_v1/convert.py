"""What a request of google.cloud.speech.v1 asks for, in our own types; what cannot be honored is refused by name.

Results are left to responses.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from models.types import (
    AudioFormat,
    Encoding,
    EndpointingOptions,
    PhraseHint,
    RecognitionOptions,
    Replacement,
    TextOptions,
)
from service.engine import Recognizer
from service.errors import InvalidRequest
from service.rpc.checking import Honored, check, refuse_unknown
from service.rpc.choosing import choose_model
from service.rpc.google_v1.errors import Malordered
from service.rpc.google_v1.messages import RecognitionConfig

_ENCODINGS = {
    RecognitionConfig.ENCODING_UNSPECIFIED: Encoding.FROM_HEADER,
    RecognitionConfig.LINEAR16: Encoding.LINEAR16,
    RecognitionConfig.FLAC: Encoding.FLAC,
    RecognitionConfig.MULAW: Encoding.MULAW,
    RecognitionConfig.OGG_OPUS: Encoding.OGG_OPUS,
}
_DEFAULT_MODEL = "default"
_MOST_HINTS = 1000
_TIMEOUT_S = (0.5, 600.0)

_V1 = "google.cloud.speech.v1."
HONORED = {
    _V1 + "StreamingRecognitionConfig.config": Honored(),
    _V1 + "StreamingRecognitionConfig.single_utterance": Honored(),
    _V1 + "StreamingRecognitionConfig.interim_results": Honored(),
    _V1 + "StreamingRecognitionConfig.enable_voice_activity_events": Honored(),
    _V1 + "StreamingRecognitionConfig.voice_activity_timeout": Honored(),
    _V1 + "StreamingRecognitionConfig.VoiceActivityTimeout.speech_start_timeout": Honored(),
    _V1 + "StreamingRecognitionConfig.VoiceActivityTimeout.speech_end_timeout": Honored(),
    "google.protobuf.Duration.seconds": Honored(),
    "google.protobuf.Duration.nanos": Honored(),
    _V1 + "RecognizeRequest.config": Honored(),
    _V1 + "RecognizeRequest.audio": Honored(),
    _V1 + "LongRunningRecognizeRequest.config": Honored(),
    _V1 + "LongRunningRecognizeRequest.audio": Honored(),
    _V1 + "RecognitionAudio.content": Honored(),
    _V1 + "RecognitionConfig.encoding": Honored(values=frozenset(_ENCODINGS)),
    _V1 + "RecognitionConfig.sample_rate_hertz": Honored(8000, 48000),
    _V1 + "RecognitionConfig.audio_channel_count": Honored(1, 8),
    _V1 + "RecognitionConfig.enable_separate_recognition_per_channel": Honored(),
    _V1 + "RecognitionConfig.language_code": Honored(characters=35),
    _V1 + "RecognitionConfig.max_alternatives": Honored(1, 30),
    _V1 + "RecognitionConfig.profanity_filter": Honored(),
    _V1 + "RecognitionConfig.adaptation": Honored(),
    _V1 + "SpeechAdaptation.phrase_sets": Honored(entries=100),
    _V1 + "PhraseSet.phrases": Honored(entries=_MOST_HINTS),
    _V1 + "PhraseSet.boost": Honored(0, 20),
    _V1 + "PhraseSet.Phrase.value": Honored(characters=100),
    _V1 + "PhraseSet.Phrase.boost": Honored(0, 20),
    _V1 + "RecognitionConfig.transcript_normalization": Honored(),
    _V1 + "TranscriptNormalization.entries": Honored(entries=100),
    _V1 + "TranscriptNormalization.Entry.search": Honored(characters=100),
    _V1 + "TranscriptNormalization.Entry.replace": Honored(characters=100),
    _V1 + "TranscriptNormalization.Entry.case_sensitive": Honored(),
    _V1 + "RecognitionConfig.speech_contexts": Honored(entries=100),
    _V1 + "SpeechContext.phrases": Honored(characters=100, entries=_MOST_HINTS),
    _V1 + "SpeechContext.boost": Honored(0, 20),
    _V1 + "RecognitionConfig.enable_word_time_offsets": Honored(),
    _V1 + "RecognitionConfig.enable_word_confidence": Honored(),
    _V1 + "RecognitionConfig.enable_automatic_punctuation": Honored(),
    # Only where they switch off what this server does not do anyway.
    _V1 + "RecognitionConfig.enable_spoken_punctuation": Honored(),
    _V1 + "RecognitionConfig.enable_spoken_emojis": Honored(),
    _V1 + "RecognitionConfig.diarization_config": Honored(),
    _V1 + "RecognitionConfig.model": Honored(characters=100),
    # An enhanced model where there is one, says Google; there is none here.
    _V1 + "RecognitionConfig.use_enhanced": Honored(),
}
"""Every field that a caller may set."""


def config_of(request: Any) -> Any:
    """The config that the first message of a stream has to hold; None: there was no message. Raises Malordered."""
    if request is None or request.WhichOneof("streaming_request") != "streaming_config":
        raise Malordered
    refuse_unknown(request, "")
    return request.streaming_config


def audio_of(request: Any, *, max_bytes: int) -> bytes:
    """The audio that every later message of a stream has to hold. Raises Malordered and InvalidRequest."""
    if request.WhichOneof("streaming_request") != "audio_content":
        raise Malordered
    refuse_unknown(request, "")
    audio: bytes = request.audio_content
    if len(audio) > max_bytes:
        raise InvalidRequest("audio_content", f"this message holds {len(audio)} bytes; send at most {max_bytes} in one")
    return audio


def streaming_options(
    config: Any, recognizers: Sequence[Recognizer[Any]], *, default_latency_ms: int
) -> tuple[AudioFormat, RecognitionOptions]:
    """What the config of a stream asks for; InvalidRequest for a field that cannot be honored."""
    check(config, "streaming_config.", HONORED)
    audio, options = _options(config.config, recognizers, "streaming_config.config.")
    timeout, path = config.voice_activity_timeout, "streaming_config.voice_activity_timeout"
    if config.HasField("voice_activity_timeout") and not config.enable_voice_activity_events:
        raise InvalidRequest(path, "is for voice activity events only; set enable_voice_activity_events, too")
    return audio, replace(
        options,
        interim=config.interim_results,
        latency_ms=default_latency_ms,
        speech_events=config.enable_voice_activity_events,
        endpointing=EndpointingOptions(
            single_utterance=config.single_utterance,
            speech_start_timeout_s=_timeout_s(timeout, "speech_start_timeout", path),
            speech_end_timeout_s=_timeout_s(timeout, "speech_end_timeout", path),
        ),
    )


def recording_options(request: Any, recognizers: Sequence[Recognizer[Any]]) -> tuple[AudioFormat, RecognitionOptions]:
    """What a RecognizeRequest or LongRunningRecognizeRequest asks for."""
    check(request, "", HONORED)
    if not request.audio.content:
        raise InvalidRequest("audio.content", "is empty; send the whole recording in it")
    return _options(request.config, recognizers, "config.")


def _options(config: Any, recognizers: Sequence[Recognizer[Any]], path: str) -> tuple[AudioFormat, RecognitionOptions]:
    recognizer = choose_model(
        "" if config.model == _DEFAULT_MODEL else config.model,
        config.language_code,
        recognizers,
        name_field=path + "model",
        language_field=path + "language_code",
    )
    hints = tuple(_hints(config, path))
    if len(hints) > _MOST_HINTS:
        raise InvalidRequest(path + "adaptation", f"holds {len(hints)} phrases in all; send at most {_MOST_HINTS}")
    entries = config.transcript_normalization.entries
    for number, entry in enumerate(entries):
        if not entry.search:
            raise InvalidRequest(f"{path}transcript_normalization.entries[{number}].search", "is empty; leave it out")
    audio = AudioFormat(
        _ENCODINGS[config.encoding],
        config.sample_rate_hertz,
        config.audio_channel_count,
        separate_channels=config.enable_separate_recognition_per_channel,
    )
    return audio, RecognitionOptions(
        model=recognizer.name,
        interim=False,
        max_alternatives=config.max_alternatives or 1,
        word_info=config.enable_word_time_offsets or config.enable_word_confidence,
        phrase_hints=hints,
        text=TextOptions(
            automatic_punctuation=config.enable_automatic_punctuation,
            profanity_filter=config.profanity_filter,
            replacements=tuple(Replacement(own.search, own.replace, not own.case_sensitive) for own in entries),
        ),
    )


def _hints(config: Any, path: str) -> Iterator[PhraseHint]:
    for number, context in enumerate(config.speech_contexts):
        for at, phrase in enumerate(context.phrases):
            yield _hint(phrase, context.boost, f"{path}speech_contexts[{number}].phrases[{at}]")
    for number, phrases in enumerate(config.adaptation.phrase_sets):
        for at, phrase in enumerate(phrases.phrases):
            where = f"{path}adaptation.phrase_sets[{number}].phrases[{at}].value"
            yield _hint(phrase.value, phrase.boost or phrases.boost, where)


def _hint(phrase: str, boost: float, where: str) -> PhraseHint:
    if not phrase.strip():
        raise InvalidRequest(where, "is empty; leave the phrase out")
    return PhraseHint(phrase, round(boost, 6))


def _timeout_s(timeout: Any, field: str, path: str) -> float | None:
    if not timeout.HasField(field):
        return None
    duration = getattr(timeout, field)
    seconds: float = round(duration.seconds + duration.nanos / 1e9, 6)
    lowest, highest = _TIMEOUT_S
    if not lowest <= seconds <= highest:
        raise InvalidRequest(f"{path}.{field}", f"is {seconds:g} s; choose {lowest:g} to {highest:g} s")
    return seconds
