"""Between protobuf and our own types: what a caller asks for is checked field by field, what is found becomes messages.

This is the only place that reads or builds messages of the protocol. When they are read or sent is left to servicer.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from hearken.v1 import speech_pb2 as pb
from models.types import (
    AudioFormat,
    DecoderOptions,
    Encoding,
    EndpointingOptions,
    PhraseHint,
    RecognitionOptions,
    Replacement,
    Result,
    SpeechEventType,
    TextOptions,
)
from service.engine import Recognizer
from service.errors import InvalidRequest
from service.session import Update

_ENCODINGS = {
    pb.AudioConfig.ENCODING_UNSPECIFIED: Encoding.FROM_HEADER,
    pb.AudioConfig.LINEAR16: Encoding.LINEAR16,
    pb.AudioConfig.MULAW: Encoding.MULAW,
    pb.AudioConfig.ALAW: Encoding.ALAW,
    pb.AudioConfig.FLAC: Encoding.FLAC,
    pb.AudioConfig.OGG_OPUS: Encoding.OGG_OPUS,
}

_LATENCIES_MS = {
    pb.LATENCY_160_MS: 160,
    pb.LATENCY_320_MS: 320,
    pb.LATENCY_640_MS: 640,
    pb.LATENCY_1280_MS: 1280,
}
_LATENCY_OF_MS = {ms: latency for latency, ms in _LATENCIES_MS.items()}


_EVENTS = {
    SpeechEventType.SPEECH_BEGIN: pb.SpeechEvent.SPEECH_BEGIN,
    SpeechEventType.SPEECH_END: pb.SpeechEvent.SPEECH_END,
    SpeechEventType.END_OF_UTTERANCE: pb.SpeechEvent.END_OF_UTTERANCE,
    SpeechEventType.NO_SPEECH_TIMEOUT: pb.SpeechEvent.NO_SPEECH_TIMEOUT,
}


@dataclass(frozen=True, slots=True)
class _Honored:
    """A field that this server acts upon. Numbers: lowest and highest. Enums: the accepted values.

    Texts: the most characters. Repeated fields: the most entries.
    """

    lowest: float = -math.inf
    highest: float = math.inf
    values: frozenset[int] = frozenset()
    most: int = 0


HONORED = {
    "hearken.v1.StreamingConfig.audio": _Honored(),
    "hearken.v1.StreamingConfig.recognition": _Honored(),
    "hearken.v1.StreamingConfig.interim_results": _Honored(),
    "hearken.v1.StreamingConfig.latency": _Honored(values=frozenset(_LATENCIES_MS)),
    "hearken.v1.StreamingConfig.endpointing": _Honored(),
    "hearken.v1.StreamingConfig.speech_events": _Honored(),
    "hearken.v1.RecognizeRequest.audio_config": _Honored(),
    "hearken.v1.RecognizeRequest.recognition": _Honored(),
    "hearken.v1.RecognizeRequest.audio": _Honored(),
    "hearken.v1.RecognizeRequest.endpointing": _Honored(),
    "hearken.v1.AudioConfig.encoding": _Honored(values=frozenset(_ENCODINGS)),
    "hearken.v1.AudioConfig.sample_rate_hz": _Honored(8000, 48000),
    "hearken.v1.AudioConfig.channels": _Honored(1, 8),
    "hearken.v1.AudioConfig.separate_channels": _Honored(),
    "hearken.v1.RecognitionConfig.model": _Honored(most=100),
    "hearken.v1.RecognitionConfig.language": _Honored(most=35),
    "hearken.v1.RecognitionConfig.max_alternatives": _Honored(1, 30),
    "hearken.v1.RecognitionConfig.word_info": _Honored(),
    "hearken.v1.RecognitionConfig.phrase_hints": _Honored(most=1000),
    "hearken.v1.RecognitionConfig.decoder": _Honored(),
    "hearken.v1.RecognitionConfig.text": _Honored(),
    "hearken.v1.PhraseHint.phrase": _Honored(most=100),
    "hearken.v1.PhraseHint.boost": _Honored(0, 20),
    "hearken.v1.DecoderConfig.beam_size": _Honored(1, 1000),
    "hearken.v1.DecoderConfig.language_model_weight": _Honored(0, 5),
    "hearken.v1.DecoderConfig.word_bonus": _Honored(-5, 5),
    "hearken.v1.TextConfig.automatic_punctuation": _Honored(),
    "hearken.v1.TextConfig.inverse_text_normalization": _Honored(),
    "hearken.v1.TextConfig.profanity_filter": _Honored(),
    "hearken.v1.TextConfig.replacements": _Honored(most=100),
    "hearken.v1.Replacement.search": _Honored(most=100),
    "hearken.v1.Replacement.replace": _Honored(most=100),
    "hearken.v1.EndpointingConfig.end_silence_s": _Honored(0.2, 10),
    "hearken.v1.EndpointingConfig.max_utterance_s": _Honored(5, 60),
    "hearken.v1.EndpointingConfig.single_utterance": _Honored(),
    "hearken.v1.EndpointingConfig.no_speech_timeout_s": _Honored(1, 600),
}
"""Every field that a caller may set. One that is not here, now or after the protocol has grown, is refused."""

FEATURES = (
    "automatic_punctuation",
    "decoder",
    "end_silence_s",
    "interim_results",
    "inverse_text_normalization",
    "latency",
    "max_alternatives",
    "max_utterance_s",
    "no_speech_timeout_s",
    "phrase_hints",
    "profanity_filter",
    "replacements",
    "separate_channels",
    "single_utterance",
    "speech_events",
    "word_info",
)
"""The optional ones among them, as ListModels tells callers."""


def config_of(request: pb.StreamingRecognizeRequest) -> pb.StreamingConfig:
    """The config that the first message of a stream has to hold."""
    _refuse_unknown(request, "")
    match request.WhichOneof("request"):
        case "config":
            return request.config
        case "audio":
            raise InvalidRequest("audio", "came before config; send the config in the first message")
        case _:
            raise InvalidRequest("config", "the first message is empty; send the config in it")


def audio_of(request: pb.StreamingRecognizeRequest, *, max_bytes: int) -> bytes:
    """The audio that every later message of a stream has to hold."""
    _refuse_unknown(request, "")
    match request.WhichOneof("request"):
        case "audio" if len(request.audio) <= max_bytes:
            return request.audio
        case "audio":
            raise InvalidRequest(
                "audio", f"this message holds {len(request.audio)} bytes; send at most {max_bytes} in one message"
            )
        case "config":
            raise InvalidRequest("config", "came a second time; open another stream for another config")
        case _:
            raise InvalidRequest("audio", "the message is empty; send audio, or half-close when there is no more")


def streaming_options(
    config: pb.StreamingConfig, recognizers: Sequence[Recognizer[Any]], *, default_latency_ms: int
) -> tuple[AudioFormat, RecognitionOptions]:
    """What the config of a stream asks for; InvalidRequest for a field that cannot be honored."""
    _check(config, "config.")
    recognizer = _model(config.recognition, recognizers, "config.recognition.")
    latency_ms = _LATENCIES_MS.get(config.latency, default_latency_ms)
    if latency_ms not in recognizer.latencies_ms:
        raise InvalidRequest("config.latency", f"model {recognizer.name} has only {_list(recognizer.latencies_ms)} ms")
    options = replace(
        _recognition(config.recognition, recognizer, "config.recognition."),
        interim=config.interim_results,
        latency_ms=latency_ms,
        speech_events=config.speech_events,
        endpointing=_endpointing(config.endpointing),
    )
    return _audio_format(config.audio), options


def recording_options(
    request: pb.RecognizeRequest, recognizers: Sequence[Recognizer[Any]]
) -> tuple[AudioFormat, RecognitionOptions]:
    """What a request with a whole recording asks for; InvalidRequest for a field that cannot be honored."""
    _check(request, "")
    if not request.audio:
        raise InvalidRequest("audio", "is empty; send the whole recording in it")
    recognizer = _model(request.recognition, recognizers, "recognition.")
    options = replace(
        _recognition(request.recognition, recognizer, "recognition."),
        interim=False,
        endpointing=_endpointing(request.endpointing),
    )
    return _audio_format(request.audio_config), options


def check_list_models(request: pb.ListModelsRequest) -> None:
    """InvalidRequest for a field that cannot be honored."""
    _check(request, "")


def admission(*, model: str, stream_id: str) -> pb.StreamingRecognizeResponse:
    """The first response of a stream: it has been let in."""
    return pb.StreamingRecognizeResponse(clock=pb.AudioClock(), model=model, stream_id=stream_id)


def response(update: Update, *, language: str) -> pb.StreamingRecognizeResponse:
    """One response of a stream."""
    message = pb.StreamingRecognizeResponse(
        results=[_result(result, language) for result in update.results],
        clock=pb.AudioClock(received_s=update.received_s, recognized_s=update.recognized_s),
    )
    if update.event is not None:
        event = update.event
        message.event.MergeFrom(
            pb.SpeechEvent(type=_EVENTS[event.type], time_s=event.time_s, channel_tag=event.channel_tag)
        )
    return message


def recording_response(results: Iterable[Result], *, audio_s: float, model: str, language: str) -> pb.RecognizeResponse:
    """The response to a whole recording."""
    return pb.RecognizeResponse(results=[_result(result, language) for result in results], audio_s=audio_s, model=model)


def models_response(recognizers: Iterable[Recognizer[Any]], *, default_latency_ms: int) -> pb.ListModelsResponse:
    """What this server offers."""
    return pb.ListModelsResponse(
        models=[_listed(recognizer, default_latency_ms=default_latency_ms) for recognizer in recognizers]
    )


def _check(message: Message, path: str) -> None:
    """Refuses every field that is set and not honored, or whose value is out of range, at any depth."""
    _refuse_unknown(message, path)
    for field, value in message.ListFields():
        name, honored = path + field.name, HONORED.get(field.full_name)
        if honored is None:
            raise InvalidRequest(name, "this server does not honor it; leave it unset")
        if field.is_repeated:
            if len(value) > honored.most:
                raise InvalidRequest(name, f"has {len(value)} entries; send at most {honored.most}")
            for number, entry in enumerate(value):
                _check(entry, f"{name}[{number}].")
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            _check(value, name + ".")
        elif field.enum_type is not None:
            if value not in honored.values:
                known = field.enum_type.values_by_number
                said = known[value].name if value in known else str(value)
                offered = _list(known[number].name for number in sorted(honored.values))
                raise InvalidRequest(name, f"this server does not honor {said}; choose one of {offered}")
        elif isinstance(value, str):
            if len(value) > honored.most:
                raise InvalidRequest(name, f"has {len(value)} characters; send at most {honored.most}")
        # NaN is not between anything. Rounded, because 0.2 as a 32-bit float is a little more or less than 0.2.
        elif isinstance(value, int | float) and not honored.lowest <= round(value, 6) <= honored.highest:
            raise InvalidRequest(name, f"is {value:g}; choose {honored.lowest:g} to {honored.highest:g}")


def _refuse_unknown(message: Message, path: str) -> None:
    unknown = UnknownFieldSet(message)
    if len(unknown):
        number = unknown[0].field_number
        where = path.rstrip(".") or "request"
        raise InvalidRequest(where, f"its field number {number} is unknown to this server; use a client of its version")


def _audio_format(config: pb.AudioConfig) -> AudioFormat:
    return AudioFormat(
        _ENCODINGS[config.encoding], config.sample_rate_hz, config.channels, separate_channels=config.separate_channels
    )


def _model(config: pb.RecognitionConfig, recognizers: Sequence[Recognizer[Any]], path: str) -> Recognizer[Any]:
    """The model that the caller names; the first that speaks the language if none is named."""
    named = [own for own in recognizers if own.name == config.model] if config.model else list(recognizers)
    if not named:
        offered = _list(repr(own.name) for own in recognizers)
        raise InvalidRequest(path + "model", f"there is no model {config.model!r} here; this server has {offered}")
    speaking = [own for own in named if _speaks(own, config.language)]
    if not speaking:
        offered = " and ".join(f"model {own.name!r} speaks {own.card.language!r}" for own in named)
        raise InvalidRequest(path + "language", f"{offered}, not {config.language!r}")
    return speaking[0]


def _speaks(recognizer: Recognizer[Any], language: str) -> bool:
    own = recognizer.card.language.lower()
    return language.lower() in ("", own, own.split("-")[0])


def _recognition(config: pb.RecognitionConfig, recognizer: Recognizer[Any], path: str) -> RecognitionOptions:
    """What does not depend on whether the audio is streamed."""
    for number, hint in enumerate(config.phrase_hints):
        if not hint.phrase.strip():
            raise InvalidRequest(f"{path}phrase_hints[{number}].phrase", "is empty; leave the hint out")
    for number, replacement in enumerate(config.text.replacements):
        if not replacement.search:
            raise InvalidRequest(f"{path}text.replacements[{number}].search", "is empty; leave the replacement out")
    text = config.text
    return RecognitionOptions(
        model=recognizer.name,
        max_alternatives=config.max_alternatives or 1,
        word_info=config.word_info,
        decoder=DecoderOptions(**_given(config.decoder)),
        phrase_hints=tuple(PhraseHint(hint.phrase, round(hint.boost, 6)) for hint in config.phrase_hints),
        text=TextOptions(
            inverse_text_normalization=text.inverse_text_normalization,
            automatic_punctuation=text.automatic_punctuation,
            profanity_filter=text.profanity_filter,
            replacements=tuple(Replacement(own.search, own.replace) for own in text.replacements),
        ),
    )


def _endpointing(config: pb.EndpointingConfig) -> EndpointingOptions:
    return EndpointingOptions(**_given(config))


def _given(config: Message) -> dict[str, Any]:
    """The fields that are set, by name; floats as they were before they became 32 bits wide."""
    return {field.name: round(value, 6) if isinstance(value, float) else value for field, value in config.ListFields()}


def _listed(recognizer: Recognizer[Any], *, default_latency_ms: int) -> pb.Model:
    card = recognizer.card
    rates = [
        pb.WordErrorRate(test_set=rate.test_set, setting=rate.setting, percent=rate.percent)
        for rate in card.word_error_rates
    ]
    return pb.Model(
        name=recognizer.name,
        language=card.language,
        sample_rate_hz=recognizer.sample_rate_hz,
        latencies=[_LATENCY_OF_MS[ms] for ms in recognizer.latencies_ms if ms in _LATENCY_OF_MS],
        default_latency=_LATENCY_OF_MS.get(default_latency_ms, pb.LATENCY_UNSPECIFIED),
        features=FEATURES,
        word_error_rates=rates,
        description=card.description,
    )


def _result(result: Result, language: str) -> pb.Result:
    return pb.Result(
        alternatives=[
            pb.Alternative(
                transcript=alternative.transcript,
                confidence=alternative.confidence,
                words=[
                    pb.Word(word=word.text, start_s=word.start_s, end_s=word.end_s, confidence=word.confidence)
                    for word in alternative.words
                ],
            )
            for alternative in result.alternatives
        ],
        is_final=result.is_final,
        stability=1.0 if result.is_final else result.stability,
        start_s=result.start_s,
        end_s=result.end_s,
        utterance=result.utterance,
        channel_tag=result.channel_tag,
        committed_chars=result.committed_chars,
        language=language,
    )


def _list(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))
