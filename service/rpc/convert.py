"""Between protobuf and our own types: what a caller asks for is checked field by field, what is found becomes messages.

This is the only place that reads or builds messages of the protocol. When they are read or sent is left to servicer.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from hearken.v1 import speech_pb2 as pb
from models.types import AudioFormat, Encoding, EndpointingOptions, RecognitionOptions, Result
from service.engine import Recognizer
from service.errors import InvalidRequest
from service.sessions import Update

_ENCODINGS = {
    pb.AudioConfig.ENCODING_UNSPECIFIED: Encoding.FROM_HEADER,
    pb.AudioConfig.LINEAR16: Encoding.LINEAR16,
    pb.AudioConfig.MULAW: Encoding.MULAW,
    pb.AudioConfig.ALAW: Encoding.ALAW,
}

_LATENCIES_MS = {
    pb.LATENCY_160_MS: 160,
    pb.LATENCY_320_MS: 320,
    pb.LATENCY_640_MS: 640,
    pb.LATENCY_1280_MS: 1280,
}
_LATENCY_OF_MS = {ms: latency for latency, ms in _LATENCIES_MS.items()}


@dataclass(frozen=True, slots=True)
class _Honored:
    """A field that this server acts upon. Numbers: lowest and highest. Enums: the accepted values."""

    lowest: float = -math.inf
    highest: float = math.inf
    values: frozenset[int] = frozenset()


HONORED = {
    "hearken.v1.StreamingConfig.audio": _Honored(),
    "hearken.v1.StreamingConfig.recognition": _Honored(),
    "hearken.v1.StreamingConfig.interim_results": _Honored(),
    "hearken.v1.StreamingConfig.latency": _Honored(values=frozenset(_LATENCIES_MS)),
    "hearken.v1.StreamingConfig.endpointing": _Honored(),
    "hearken.v1.RecognizeRequest.audio_config": _Honored(),
    "hearken.v1.RecognizeRequest.recognition": _Honored(),
    "hearken.v1.RecognizeRequest.audio": _Honored(),
    "hearken.v1.RecognizeRequest.endpointing": _Honored(),
    "hearken.v1.AudioConfig.encoding": _Honored(values=frozenset(_ENCODINGS)),
    "hearken.v1.AudioConfig.sample_rate_hz": _Honored(8000, 48000),
    "hearken.v1.AudioConfig.channels": _Honored(1, 8),
    "hearken.v1.RecognitionConfig.model": _Honored(),
    "hearken.v1.RecognitionConfig.language": _Honored(),
    "hearken.v1.RecognitionConfig.max_alternatives": _Honored(1, 30),
    "hearken.v1.RecognitionConfig.word_info": _Honored(),
    "hearken.v1.EndpointingConfig.end_silence_s": _Honored(0.2, 10),
    "hearken.v1.EndpointingConfig.max_utterance_s": _Honored(5, 60),
}
"""Every field that a caller may set. One that is not here, now or after the protocol has grown, is refused."""

FEATURES = (
    "end_silence_s",
    "interim_results",
    "latency",
    "max_alternatives",
    "max_utterance_s",
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
    config: pb.StreamingConfig, recognizer: Recognizer[Any], *, default_latency_ms: int
) -> tuple[AudioFormat, RecognitionOptions]:
    """What the config of a stream asks for; InvalidRequest for a field that cannot be honored."""
    _check(config, "config.")
    options = RecognitionOptions(
        interim=config.interim_results,
        latency_ms=_LATENCIES_MS.get(config.latency, default_latency_ms),
        max_alternatives=_max_alternatives(config.recognition),
        word_info=config.recognition.word_info,
        endpointing=_endpointing(config.endpointing),
    )
    if options.latency_ms not in recognizer.latencies_ms:
        raise InvalidRequest("config.latency", f"model {recognizer.name} has only {_list(recognizer.latencies_ms)} ms")
    _check_model(config.recognition, recognizer, "config.recognition.")
    return _audio_format(config.audio), options


def recording_options(
    request: pb.RecognizeRequest, recognizer: Recognizer[Any]
) -> tuple[AudioFormat, RecognitionOptions]:
    """What a request with a whole recording asks for; InvalidRequest for a field that cannot be honored."""
    _check(request, "")
    if not request.audio:
        raise InvalidRequest("audio", "is empty; send the whole recording in it")
    _check_model(request.recognition, recognizer, "recognition.")
    options = RecognitionOptions(
        interim=False,
        max_alternatives=_max_alternatives(request.recognition),
        word_info=request.recognition.word_info,
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
    return pb.StreamingRecognizeResponse(
        results=[_result(result, language) for result in update.results],
        clock=pb.AudioClock(received_s=update.received_s, recognized_s=update.recognized_s),
    )


def recording_response(results: Iterable[Result], *, audio_s: float, model: str, language: str) -> pb.RecognizeResponse:
    """The response to a whole recording."""
    return pb.RecognizeResponse(results=[_result(result, language) for result in results], audio_s=audio_s, model=model)


def models_response(recognizer: Recognizer[Any], *, default_latency_ms: int) -> pb.ListModelsResponse:
    """What this server offers."""
    card = recognizer.card
    rates = [
        pb.WordErrorRate(test_set=rate.test_set, setting=rate.setting, percent=rate.percent)
        for rate in card.word_error_rates
    ]
    model = pb.Model(
        name=recognizer.name,
        language=card.language,
        sample_rate_hz=recognizer.sample_rate_hz,
        latencies=[_LATENCY_OF_MS[ms] for ms in recognizer.latencies_ms if ms in _LATENCY_OF_MS],
        default_latency=_LATENCY_OF_MS.get(default_latency_ms, pb.LATENCY_UNSPECIFIED),
        features=FEATURES,
        word_error_rates=rates,
        description=card.description,
    )
    return pb.ListModelsResponse(models=[model])


def _check(message: Message, path: str) -> None:
    """Refuses every field that is set and not honored, or whose value is out of range, at any depth."""
    _refuse_unknown(message, path)
    for field, value in message.ListFields():
        name, honored = path + field.name, HONORED.get(field.full_name)
        if honored is None:
            raise InvalidRequest(name, "this server does not honor it; leave it unset")
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            _check(value, name + ".")
        elif field.enum_type is not None:
            if value not in honored.values:
                known = field.enum_type.values_by_number
                said = known[value].name if value in known else str(value)
                offered = _list(known[number].name for number in sorted(honored.values))
                raise InvalidRequest(name, f"this server does not honor {said}; choose one of {offered}")
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
    return AudioFormat(_ENCODINGS[config.encoding], config.sample_rate_hz, config.channels)


def _max_alternatives(config: pb.RecognitionConfig) -> int:
    return config.max_alternatives or 1


def _endpointing(config: pb.EndpointingConfig) -> EndpointingOptions:
    given = {field.name: round(value, 6) for field, value in config.ListFields()}
    return EndpointingOptions(**given)


def _check_model(config: pb.RecognitionConfig, recognizer: Recognizer[Any], path: str) -> None:
    if config.model not in ("", recognizer.name):
        raise InvalidRequest(
            path + "model", f"there is no model {config.model!r} here; this server has {recognizer.name!r}"
        )
    language = recognizer.card.language
    if config.language and config.language.lower() not in (language.lower(), language.lower().split("-")[0]):
        raise InvalidRequest(
            path + "language", f"model {recognizer.name!r} speaks {language!r}, not {config.language!r}"
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
        language=language,
    )


def _list(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))
