"""Options and audio into protobuf messages, and messages into results: the only module that knows both sides."""

from __future__ import annotations

from collections.abc import Iterable

from hearken._audio import AudioFormat
from hearken._errors import InvalidRequest
from hearken._options import Encoding, Options
from hearken._results import (
    Alternative,
    AudioClock,
    Latency,
    Model,
    Result,
    Transcript,
    Word,
    WordErrorRate,
)
from hearken.v1 import speech_pb2 as pb

_LATENCY_TO_WIRE = {
    Latency.MS_160: pb.LATENCY_160_MS,
    Latency.MS_320: pb.LATENCY_320_MS,
    Latency.MS_640: pb.LATENCY_640_MS,
    Latency.MS_1280: pb.LATENCY_1280_MS,
}
_LATENCY_FROM_WIRE = {wire: latency for latency, wire in _LATENCY_TO_WIRE.items()}


def config_request(options: Options, audio: AudioFormat) -> pb.StreamingRecognizeRequest:
    """The first message of a stream."""
    latency = pb.LATENCY_UNSPECIFIED
    if options.latency_ms is not None:
        if options.latency_ms not in list(Latency):
            raise InvalidRequest(f"latency_ms is {options.latency_ms}; it can be 160, 320, 640 or 1280")
        latency = _LATENCY_TO_WIRE[Latency(options.latency_ms)]
    try:
        config = pb.StreamingConfig(
            audio=_audio_config(audio),
            recognition=_recognition_config(options),
            interim_results=options.interim_results,
            latency=latency,
            endpointing=_endpointing_config(options),
        )
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"an option has a value that cannot be sent: {error}") from None
    return pb.StreamingRecognizeRequest(config=config)


def audio_request(audio: bytes) -> pb.StreamingRecognizeRequest:
    """Each further message of a stream."""
    return pb.StreamingRecognizeRequest(audio=audio)


def recognize_request(config: pb.StreamingRecognizeRequest, audio: bytes) -> pb.RecognizeRequest:
    """A recording sent whole, with the options of the first message that a stream of it would have."""
    return pb.RecognizeRequest(
        audio_config=config.config.audio,
        recognition=config.config.recognition,
        endpointing=config.config.endpointing,
        audio=audio,
    )


def results_of(response: pb.StreamingRecognizeResponse) -> Iterable[Result]:
    """The results of one response, each with the response's clock."""
    clock = AudioClock(response.clock.received_s, response.clock.recognized_s)
    return [_result(result, clock) for result in response.results]


def shift(response: pb.StreamingRecognizeResponse, seconds: float, utterances: int) -> None:
    """Moves all times and utterance numbers of a response, in place."""
    if response.HasField("clock"):
        response.clock.received_s += seconds
        response.clock.recognized_s += seconds
    for result in response.results:
        result.start_s += seconds
        result.end_s += seconds
        result.utterance += utterances
        for alternative in result.alternatives:
            for word in alternative.words:
                word.start_s += seconds
                word.end_s += seconds


def drop_interim_results(response: pb.StreamingRecognizeResponse) -> None:
    """Leaves only the final results in a response."""
    final = [result for result in response.results if result.is_final]
    del response.results[:]
    response.results.extend(final)


def transcript_of(response: pb.RecognizeResponse) -> Transcript:
    """The transcript of a recording that was sent whole."""
    return Transcript(
        results=tuple(_result(result, None) for result in response.results),
        audio_s=response.audio_s,
        model=response.model,
    )


class TranscriptBuilder:
    """Gathers the responses of a stream into a transcript."""

    def __init__(self) -> None:
        self._results: list[Result] = []
        self._audio_s = 0.0
        self._model = ""

    def accept(self, response: pb.StreamingRecognizeResponse) -> None:
        self._results += (result for result in results_of(response) if result.is_final)
        self._audio_s = max(self._audio_s, response.clock.received_s)
        self._model = self._model or response.model

    def finish(self, audio_s: float | None) -> Transcript:
        """audio_s: the length of the audio, if it is known here; otherwise what the server has said last."""
        return Transcript(tuple(self._results), self._audio_s if audio_s is None else audio_s, self._model)


def models_of(response: pb.ListModelsResponse) -> tuple[Model, ...]:
    """The models that a server offers, its default first."""
    return tuple(
        Model(
            name=model.name,
            language=model.language,
            sample_rate_hz=model.sample_rate_hz,
            latencies=tuple(_LATENCY_FROM_WIRE[wire] for wire in model.latencies if wire in _LATENCY_FROM_WIRE),
            default_latency=_LATENCY_FROM_WIRE.get(model.default_latency),
            features=tuple(model.features),
            word_error_rates=tuple(
                WordErrorRate(rate.test_set, rate.setting, rate.percent) for rate in model.word_error_rates
            ),
            description=model.description,
        )
        for model in response.models
    )


def _audio_config(audio: AudioFormat) -> pb.AudioConfig:
    encoding = audio.encoding
    if encoding is None and audio.sample_rate_hz is not None:
        encoding = Encoding.LINEAR16  # a sample rate is given for raw audio only
    return pb.AudioConfig(
        encoding=encoding.value if encoding else pb.AudioConfig.ENCODING_UNSPECIFIED,
        sample_rate_hz=audio.sample_rate_hz,
        channels=audio.channels,
    )


def _recognition_config(options: Options) -> pb.RecognitionConfig:
    return pb.RecognitionConfig(
        model=options.model,
        language=options.language,
        max_alternatives=options.max_alternatives,
        word_info=options.word_info,
    )


def _endpointing_config(options: Options) -> pb.EndpointingConfig | None:
    if options.end_silence_s is None and options.max_utterance_s is None:
        return None
    return pb.EndpointingConfig(end_silence_s=options.end_silence_s, max_utterance_s=options.max_utterance_s)


def _result(result: pb.Result, clock: AudioClock | None) -> Result:
    return Result(
        alternatives=tuple(_alternative(alternative) for alternative in result.alternatives),
        is_final=result.is_final,
        start_s=result.start_s,
        end_s=result.end_s,
        utterance=result.utterance,
        stability=result.stability,
        channel_tag=result.channel_tag,
        committed_chars=result.committed_chars,
        language=result.language,
        clock=clock,
    )


def _alternative(alternative: pb.Alternative) -> Alternative:
    return Alternative(
        transcript=alternative.transcript,
        confidence=alternative.confidence or None,  # on the wire 0 means: not estimated
        words=tuple(Word(word.word, word.start_s, word.end_s, word.confidence or None) for word in alternative.words),
    )
