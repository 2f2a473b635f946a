"""Options and audio into protobuf messages, and messages into results: the only module that knows both sides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hearken._audio import AudioFormat
from hearken._errors import InvalidRequest
from hearken._options import Encoding, Options, PhraseHint
from hearken._results import (
    Alternative,
    AudioClock,
    Latency,
    Model,
    Result,
    SpeechEvent,
    SpeechEventType,
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
_EVENT_FROM_WIRE = {pb.SpeechEvent.Type.Value(event.value): event for event in SpeechEventType}


def config_request(options: Options, audio: AudioFormat) -> pb.StreamingRecognizeRequest:
    """The first message of a stream."""
    latency = pb.LATENCY_UNSPECIFIED
    if options.latency_ms is not None:
        if options.latency_ms not in list(Latency):
            raise InvalidRequest(f"latency_ms is {options.latency_ms}; it can be 160, 320, 640 or 1280")
        latency = _LATENCY_TO_WIRE[Latency(options.latency_ms)]
    try:
        config = pb.StreamingConfig(
            audio=_audio_config(audio, separate_channels=options.separate_channels),
            recognition=_recognition_config(options),
            interim_results=options.interim_results,
            latency=latency,
            endpointing=_endpointing_config(options),
            speech_events=options.on_event is not None,
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
    # Of this and the repeated fields below a slice is taken, a list: to iterate over the field takes twice as long.
    clock = AudioClock(response.clock.received_s, response.clock.recognized_s)
    return [_result(result, clock, response.model, response.stream_id) for result in response.results[:]]


def event_of(response: pb.StreamingRecognizeResponse) -> SpeechEvent | None:
    """The event that a response announces; None also for a kind of event that is newer than this library."""
    kind = _EVENT_FROM_WIRE.get(response.event.type)
    return None if kind is None else SpeechEvent(kind, response.event.time_s, response.event.channel_tag)


def transcript_of(response: pb.RecognizeResponse) -> Transcript:
    """The transcript of a recording that was sent whole."""
    return Transcript(
        results=tuple(_result(result, None, response.model, "") for result in response.results),
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


def _audio_config(audio: AudioFormat, *, separate_channels: bool) -> pb.AudioConfig:
    encoding = audio.encoding
    if encoding is None and audio.sample_rate_hz is not None:
        encoding = Encoding.LINEAR16  # a sample rate is given for raw audio only
    return pb.AudioConfig(
        encoding=encoding.value if encoding else pb.AudioConfig.ENCODING_UNSPECIFIED,
        sample_rate_hz=audio.sample_rate_hz,
        channels=audio.channels,
        separate_channels=separate_channels,
    )


def _recognition_config(options: Options) -> pb.RecognitionConfig:
    if isinstance(options.phrase_hints, str):
        raise TypeError("phrase_hints is one text; give a list of texts")
    return pb.RecognitionConfig(
        model=options.model,
        language=options.language,
        max_alternatives=options.max_alternatives,
        word_info=options.word_info,
        phrase_hints=[_phrase_hint(hint) for hint in options.phrase_hints],
        decoder=_decoder_config(options),
        text=_text_config(options),
    )


def _phrase_hint(hint: PhraseHint | str) -> pb.PhraseHint:
    return pb.PhraseHint(phrase=hint) if isinstance(hint, str) else pb.PhraseHint(phrase=hint.phrase, boost=hint.boost)


# A message that says nothing is left out: a server that does not honor it would refuse even an empty one.
def _decoder_config(options: Options) -> pb.DecoderConfig | None:
    decoder = pb.DecoderConfig(
        beam_size=options.beam_size,
        language_model_weight=options.language_model_weight,
        word_bonus=options.word_bonus,
    )
    return decoder if decoder.ListFields() else None


def _text_config(options: Options) -> pb.TextConfig | None:
    pairs = options.replacements.items() if isinstance(options.replacements, Mapping) else options.replacements
    text = pb.TextConfig(
        automatic_punctuation=options.automatic_punctuation,
        inverse_text_normalization=options.inverse_text_normalization,
        profanity_filter=options.profanity_filter,
        replacements=[pb.Replacement(search=search, replace=replace) for search, replace in pairs],
    )
    return text if text.ListFields() else None


def _endpointing_config(options: Options) -> pb.EndpointingConfig | None:
    endpointing = pb.EndpointingConfig(
        end_silence_s=options.end_silence_s,
        max_utterance_s=options.max_utterance_s,
        single_utterance=options.single_utterance,
        no_speech_timeout_s=options.no_speech_timeout_s,
    )
    return endpointing if endpointing.ListFields() else None


def _result(result: pb.Result, clock: AudioClock | None, model: str, stream_id: str) -> Result:
    return Result(
        alternatives=tuple(map(_alternative, result.alternatives[:])),
        is_final=result.is_final,
        start_s=result.start_s,
        end_s=result.end_s,
        utterance=result.utterance,
        stability=result.stability,
        channel_tag=result.channel_tag,
        committed_chars=result.committed_chars,
        language=result.language,
        clock=clock,
        model=model,
        stream_id=stream_id,
    )


def _alternative(alternative: pb.Alternative) -> Alternative:
    return Alternative(
        transcript=alternative.transcript,
        confidence=alternative.confidence or None,  # on the wire 0 means: not estimated
        words=tuple(map(_word, alternative.words[:])),
    )


def _word(word: pb.Word) -> Word:
    return Word(word.word, word.start_s, word.end_s, word.confidence or None)
