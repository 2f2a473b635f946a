"""What a request of nvidia.riva.asr asks for, in our own types; what cannot be honored is refused by name.

Results are left to responses.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from models.types import (
    AudioFormat,
    BlankEndpointing,
    Encoding,
    EndpointingOptions,
    PhraseHint,
    RecognitionOptions,
    TextOptions,
)
from service.engine import Recognizer
from service.errors import InvalidRequest
from service.rpc.checking import Honored, check, refuse_unknown
from service.rpc.choosing import choose_model
from service.rpc.riva.messages import AudioEncoding

_ENCODINGS = {
    AudioEncoding.ENCODING_UNSPECIFIED: Encoding.FROM_HEADER,
    AudioEncoding.LINEAR_PCM: Encoding.LINEAR16,
    AudioEncoding.FLAC: Encoding.FLAC,
    AudioEncoding.MULAW: Encoding.MULAW,
    AudioEncoding.OGGOPUS: Encoding.OGG_OPUS,
    AudioEncoding.ALAW: Encoding.ALAW,
}
_MOST_HINTS = 1000
_SERVERS_CHOICE = -1
"""Riva's clients send this, or 0, for what the server is to choose."""

_OF_RIVA = {
    "start_history": "start_history_s",
    "start_threshold": "start_threshold",
    "stop_history": "stop_history_s",
    "stop_threshold": "stop_threshold",
    "stop_history_eou": "first_stop_history_s",
    "stop_threshold_eou": "first_stop_threshold",
}

_ASR = "nvidia.riva.asr."
HONORED = {
    _ASR + "StreamingRecognitionConfig.config": Honored(),
    _ASR + "StreamingRecognitionConfig.interim_results": Honored(),
    _ASR + "RecognizeRequest.config": Honored(),
    _ASR + "RecognizeRequest.audio": Honored(),
    _ASR + "RecognizeRequest.id": Honored(),
    "nvidia.riva.RequestId.value": Honored(characters=1000),
    _ASR + "RecognitionConfig.encoding": Honored(values=frozenset(_ENCODINGS)),
    _ASR + "RecognitionConfig.sample_rate_hertz": Honored(8000, 48000),
    _ASR + "RecognitionConfig.language_code": Honored(characters=35),
    _ASR + "RecognitionConfig.max_alternatives": Honored(1, 30),
    _ASR + "RecognitionConfig.profanity_filter": Honored(),
    _ASR + "RecognitionConfig.speech_contexts": Honored(entries=100),
    _ASR + "SpeechContext.phrases": Honored(characters=100, entries=_MOST_HINTS),
    _ASR + "SpeechContext.boost": Honored(0, 20),
    _ASR + "RecognitionConfig.audio_channel_count": Honored(1, 8),
    _ASR + "RecognitionConfig.enable_word_time_offsets": Honored(),
    _ASR + "RecognitionConfig.enable_automatic_punctuation": Honored(),
    _ASR + "RecognitionConfig.enable_separate_recognition_per_channel": Honored(),
    _ASR + "RecognitionConfig.model": Honored(characters=100),
    _ASR + "RecognitionConfig.verbatim_transcripts": Honored(),
    # Only where it switches off what this server does not do anyway.
    _ASR + "RecognitionConfig.diarization_config": Honored(),
    _ASR + "RecognitionConfig.endpointing_config": Honored(),
    _ASR + "EndpointingConfig.start_history": Honored(_SERVERS_CHOICE, 10_000),
    _ASR + "EndpointingConfig.start_threshold": Honored(_SERVERS_CHOICE, 1),
    _ASR + "EndpointingConfig.stop_history": Honored(_SERVERS_CHOICE, 10_000),
    _ASR + "EndpointingConfig.stop_threshold": Honored(_SERVERS_CHOICE, 1),
    _ASR + "EndpointingConfig.stop_history_eou": Honored(_SERVERS_CHOICE, 10_000),
    _ASR + "EndpointingConfig.stop_threshold_eou": Honored(_SERVERS_CHOICE, 1),
    _ASR + "RivaSpeechRecognitionConfigRequest.model_name": Honored(characters=100),
}
"""Every field that a caller may set."""


def config_of(request: Any) -> Any:
    """The config that the first message of a stream has to hold; None: there was no message."""
    if request is None or request.WhichOneof("streaming_request") != "streaming_config":
        raise InvalidRequest("streaming_config", "the first message must hold it, and audio follows in later ones")
    _check_rest(request)
    return request.streaming_config


def audio_of(request: Any, *, max_bytes: int) -> bytes:
    """The audio that every later message of a stream has to hold."""
    if request.WhichOneof("streaming_request") != "audio_content":
        raise InvalidRequest("audio_content", "is missing; every message after the first holds audio and nothing else")
    _check_rest(request)
    audio: bytes = request.audio_content
    if len(audio) > max_bytes:
        raise InvalidRequest("audio_content", f"this message holds {len(audio)} bytes; send at most {max_bytes} in one")
    return audio


def streaming_options(
    config: Any, recognizers: Sequence[Recognizer[Any]], *, default_latency_ms: int
) -> tuple[AudioFormat, RecognitionOptions]:
    """What the config of a stream asks for; InvalidRequest for a field that cannot be honored."""
    check(config, "streaming_config.", HONORED)
    audio, options = _options(config.config, recognizers, "streaming_config.config.", default_latency_ms)
    return audio, replace(options, interim=config.interim_results)


def recording_options(
    request: Any, recognizers: Sequence[Recognizer[Any]], *, default_latency_ms: int
) -> tuple[AudioFormat, RecognitionOptions]:
    """What a RecognizeRequest asks for."""
    check(request, "", HONORED)
    if not request.audio:
        raise InvalidRequest("audio", "is empty; send the whole recording in it")
    return _options(request.config, recognizers, "config.", default_latency_ms)


def models_wanted(request: Any, recognizers: Sequence[Recognizer[Any]]) -> list[Recognizer[Any]]:
    """The models that a RivaSpeechRecognitionConfigRequest asks about."""
    check(request, "", HONORED)
    if not request.model_name:
        return list(recognizers)
    return [choose_model(request.model_name, "", recognizers, name_field="model_name", language_field="")]


def _check_rest(request: Any) -> None:
    refuse_unknown(request, "")
    if len(request.id.value) > HONORED["nvidia.riva.RequestId.value"].characters:
        raise InvalidRequest("id.value", "is too long; send at most 1000 characters")
    # Not in all versions of the official package.
    if getattr(request, "runtime_config", None):
        raise InvalidRequest("runtime_config", "this server does not honor it; leave it unset")


def _options(
    config: Any, recognizers: Sequence[Recognizer[Any]], path: str, latency_ms: int
) -> tuple[AudioFormat, RecognitionOptions]:
    recognizer = choose_model(
        config.model,
        config.language_code,
        recognizers,
        name_field=path + "model",
        language_field=path + "language_code",
    )
    audio = AudioFormat(
        _ENCODINGS[config.encoding],
        config.sample_rate_hertz,
        config.audio_channel_count,
        separate_channels=config.enable_separate_recognition_per_channel,
    )
    return audio, RecognitionOptions(
        model=recognizer.name,
        interim=False,
        latency_ms=latency_ms,
        max_alternatives=config.max_alternatives or 1,
        word_info=config.enable_word_time_offsets,
        endpointing=_endpointing(config, path + "endpointing_config."),
        phrase_hints=_hints(config, path),
        text=TextOptions(
            inverse_text_normalization=not config.verbatim_transcripts,
            automatic_punctuation=config.enable_automatic_punctuation,
            profanity_filter=config.profanity_filter,
        ),
    )


def _endpointing(config: Any, path: str) -> EndpointingOptions:
    if not config.HasField("endpointing_config"):
        return EndpointingOptions()
    given = {field.name: round(value, 6) for field, value in config.endpointing_config.ListFields() if value > 0}
    blanks = BlankEndpointing(
        **{_OF_RIVA[name]: value / 1000 if "history" in name else value for name, value in given.items()}
    )
    if blanks.first_stop_history_s is not None and blanks.first_stop_history_s >= blanks.stop_history_s:
        raise InvalidRequest(path + "stop_history_eou", "is not smaller than stop_history; choose a smaller one")
    return EndpointingOptions(blanks=blanks)


def _hints(config: Any, path: str) -> tuple[PhraseHint, ...]:
    hints = []
    for number, context in enumerate(config.speech_contexts):
        for at, phrase in enumerate(context.phrases):
            if not phrase.strip():
                raise InvalidRequest(f"{path}speech_contexts[{number}].phrases[{at}]", "is empty; leave it out")
            hints.append(PhraseHint(phrase, round(context.boost, 6)))
    if len(hints) > _MOST_HINTS:
        raise InvalidRequest(path + "speech_contexts", f"holds {len(hints)} phrases; send at most {_MOST_HINTS}")
    return tuple(hints)
