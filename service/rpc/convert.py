"""Between protobuf and our own types: what a caller asks for is checked field by field, what is found becomes messages.

This is the only place that reads or builds messages of the protocol. When they are read or sent is left to servicer.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message

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
from service.rpc.checking import Honored, check, listed, refuse_unknown
from service.rpc.choosing import choose_model
from service.session import Update
from service.version import server_version

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


HONORED = {
    "hearken.v1.StreamingConfig.audio": Honored(),
    "hearken.v1.StreamingConfig.recognition": Honored(),
    "hearken.v1.StreamingConfig.interim_results": Honored(),
    "hearken.v1.StreamingConfig.latency": Honored(values=frozenset(_LATENCIES_MS)),
    "hearken.v1.StreamingConfig.endpointing": Honored(),
    "hearken.v1.StreamingConfig.speech_events": Honored(),
    "hearken.v1.RecognizeRequest.audio_config": Honored(),
    "hearken.v1.RecognizeRequest.recognition": Honored(),
    "hearken.v1.RecognizeRequest.audio": Honored(),
    "hearken.v1.RecognizeRequest.endpointing": Honored(),
    "hearken.v1.AudioConfig.encoding": Honored(values=frozenset(_ENCODINGS)),
    "hearken.v1.AudioConfig.sample_rate_hz": Honored(8000, 48000),
    "hearken.v1.AudioConfig.channels": Honored(1, 8),
    "hearken.v1.AudioConfig.separate_channels": Honored(),
    "hearken.v1.RecognitionConfig.model": Honored(characters=100),
    "hearken.v1.RecognitionConfig.language": Honored(characters=35),
    "hearken.v1.RecognitionConfig.max_alternatives": Honored(1, 30),
    "hearken.v1.RecognitionConfig.word_info": Honored(),
    "hearken.v1.RecognitionConfig.phrase_hints": Honored(entries=1000),
    "hearken.v1.RecognitionConfig.decoder": Honored(),
    "hearken.v1.RecognitionConfig.text": Honored(),
    "hearken.v1.PhraseHint.phrase": Honored(characters=100),
    "hearken.v1.PhraseHint.boost": Honored(0, 20),
    "hearken.v1.DecoderConfig.beam_size": Honored(1, 1000),
    "hearken.v1.DecoderConfig.language_model_weight": Honored(0, 5),
    "hearken.v1.DecoderConfig.word_bonus": Honored(-5, 5),
    "hearken.v1.TextConfig.automatic_punctuation": Honored(),
    "hearken.v1.TextConfig.inverse_text_normalization": Honored(),
    "hearken.v1.TextConfig.profanity_filter": Honored(),
    "hearken.v1.TextConfig.replacements": Honored(entries=100),
    "hearken.v1.Replacement.search": Honored(characters=100),
    "hearken.v1.Replacement.replace": Honored(characters=100),
    "hearken.v1.EndpointingConfig.end_silence_s": Honored(0.2, 10),
    "hearken.v1.EndpointingConfig.max_utterance_s": Honored(5, 60),
    "hearken.v1.EndpointingConfig.single_utterance": Honored(),
    "hearken.v1.EndpointingConfig.no_speech_timeout_s": Honored(1, 600),
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
    refuse_unknown(request, "")
    match request.WhichOneof("request"):
        case "config":
            return request.config
        case "audio":
            raise InvalidRequest("audio", "came before config; send the config in the first message")
        case _:
            raise InvalidRequest("config", "the first message is empty; send the config in it")


def audio_of(request: pb.StreamingRecognizeRequest, *, max_bytes: int) -> bytes:
    """The audio that every later message of a stream has to hold."""
    refuse_unknown(request, "")
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
    check(config, "config.", HONORED)
    recognizer = _model(config.recognition, recognizers, "config.recognition.")
    latency_ms = _LATENCIES_MS.get(config.latency, default_latency_ms)
    if latency_ms not in recognizer.latencies_ms:
        raise InvalidRequest("config.latency", f"model {recognizer.name} has only {listed(recognizer.latencies_ms)} ms")
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
    check(request, "", HONORED)
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
    check(request, "", HONORED)


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
        models=[_listed(recognizer, default_latency_ms=default_latency_ms) for recognizer in recognizers],
        server_version=server_version(),
    )


def _audio_format(config: pb.AudioConfig) -> AudioFormat:
    return AudioFormat(
        _ENCODINGS[config.encoding], config.sample_rate_hz, config.channels, separate_channels=config.separate_channels
    )


def _model(config: pb.RecognitionConfig, recognizers: Sequence[Recognizer[Any]], path: str) -> Recognizer[Any]:
    return choose_model(
        config.model, config.language, recognizers, name_field=path + "model", language_field=path + "language"
    )


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
    given = _given(config)
    timeout_s = given.pop("no_speech_timeout_s", None)
    return EndpointingOptions(**given, speech_start_timeout_s=timeout_s, speech_end_timeout_s=timeout_s)


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
