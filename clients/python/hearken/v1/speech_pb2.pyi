from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Latency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LATENCY_UNSPECIFIED: _ClassVar[Latency]
    LATENCY_160_MS: _ClassVar[Latency]
    LATENCY_320_MS: _ClassVar[Latency]
    LATENCY_640_MS: _ClassVar[Latency]
    LATENCY_1280_MS: _ClassVar[Latency]
LATENCY_UNSPECIFIED: Latency
LATENCY_160_MS: Latency
LATENCY_320_MS: Latency
LATENCY_640_MS: Latency
LATENCY_1280_MS: Latency

class StreamingRecognizeRequest(_message.Message):
    __slots__ = ("config", "audio")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    config: StreamingConfig
    audio: bytes
    def __init__(self, config: _Optional[_Union[StreamingConfig, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class StreamingConfig(_message.Message):
    __slots__ = ("audio", "recognition", "interim_results", "latency", "endpointing", "speech_events")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    RECOGNITION_FIELD_NUMBER: _ClassVar[int]
    INTERIM_RESULTS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTING_FIELD_NUMBER: _ClassVar[int]
    SPEECH_EVENTS_FIELD_NUMBER: _ClassVar[int]
    audio: AudioConfig
    recognition: RecognitionConfig
    interim_results: bool
    latency: Latency
    endpointing: EndpointingConfig
    speech_events: bool
    def __init__(self, audio: _Optional[_Union[AudioConfig, _Mapping]] = ..., recognition: _Optional[_Union[RecognitionConfig, _Mapping]] = ..., interim_results: bool = ..., latency: _Optional[_Union[Latency, str]] = ..., endpointing: _Optional[_Union[EndpointingConfig, _Mapping]] = ..., speech_events: bool = ...) -> None: ...

class AudioConfig(_message.Message):
    __slots__ = ("encoding", "sample_rate_hz", "channels", "separate_channels")
    class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ENCODING_UNSPECIFIED: _ClassVar[AudioConfig.Encoding]
        LINEAR16: _ClassVar[AudioConfig.Encoding]
        MULAW: _ClassVar[AudioConfig.Encoding]
        ALAW: _ClassVar[AudioConfig.Encoding]
        FLAC: _ClassVar[AudioConfig.Encoding]
        OGG_OPUS: _ClassVar[AudioConfig.Encoding]
    ENCODING_UNSPECIFIED: AudioConfig.Encoding
    LINEAR16: AudioConfig.Encoding
    MULAW: AudioConfig.Encoding
    ALAW: AudioConfig.Encoding
    FLAC: AudioConfig.Encoding
    OGG_OPUS: AudioConfig.Encoding
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    SEPARATE_CHANNELS_FIELD_NUMBER: _ClassVar[int]
    encoding: AudioConfig.Encoding
    sample_rate_hz: int
    channels: int
    separate_channels: bool
    def __init__(self, encoding: _Optional[_Union[AudioConfig.Encoding, str]] = ..., sample_rate_hz: _Optional[int] = ..., channels: _Optional[int] = ..., separate_channels: bool = ...) -> None: ...

class RecognitionConfig(_message.Message):
    __slots__ = ("model", "language", "max_alternatives", "word_info", "phrase_hints", "decoder", "text")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    MAX_ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    WORD_INFO_FIELD_NUMBER: _ClassVar[int]
    PHRASE_HINTS_FIELD_NUMBER: _ClassVar[int]
    DECODER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    model: str
    language: str
    max_alternatives: int
    word_info: bool
    phrase_hints: _containers.RepeatedCompositeFieldContainer[PhraseHint]
    decoder: DecoderConfig
    text: TextConfig
    def __init__(self, model: _Optional[str] = ..., language: _Optional[str] = ..., max_alternatives: _Optional[int] = ..., word_info: bool = ..., phrase_hints: _Optional[_Iterable[_Union[PhraseHint, _Mapping]]] = ..., decoder: _Optional[_Union[DecoderConfig, _Mapping]] = ..., text: _Optional[_Union[TextConfig, _Mapping]] = ...) -> None: ...

class PhraseHint(_message.Message):
    __slots__ = ("phrase", "boost")
    PHRASE_FIELD_NUMBER: _ClassVar[int]
    BOOST_FIELD_NUMBER: _ClassVar[int]
    phrase: str
    boost: float
    def __init__(self, phrase: _Optional[str] = ..., boost: _Optional[float] = ...) -> None: ...

class DecoderConfig(_message.Message):
    __slots__ = ("beam_size", "language_model_weight", "word_bonus")
    BEAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_MODEL_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    WORD_BONUS_FIELD_NUMBER: _ClassVar[int]
    beam_size: int
    language_model_weight: float
    word_bonus: float
    def __init__(self, beam_size: _Optional[int] = ..., language_model_weight: _Optional[float] = ..., word_bonus: _Optional[float] = ...) -> None: ...

class TextConfig(_message.Message):
    __slots__ = ("automatic_punctuation", "inverse_text_normalization", "profanity_filter", "replacements")
    AUTOMATIC_PUNCTUATION_FIELD_NUMBER: _ClassVar[int]
    INVERSE_TEXT_NORMALIZATION_FIELD_NUMBER: _ClassVar[int]
    PROFANITY_FILTER_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    automatic_punctuation: bool
    inverse_text_normalization: bool
    profanity_filter: bool
    replacements: _containers.RepeatedCompositeFieldContainer[Replacement]
    def __init__(self, automatic_punctuation: bool = ..., inverse_text_normalization: bool = ..., profanity_filter: bool = ..., replacements: _Optional[_Iterable[_Union[Replacement, _Mapping]]] = ...) -> None: ...

class Replacement(_message.Message):
    __slots__ = ("search", "replace")
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    search: str
    replace: str
    def __init__(self, search: _Optional[str] = ..., replace: _Optional[str] = ...) -> None: ...

class EndpointingConfig(_message.Message):
    __slots__ = ("end_silence_s", "max_utterance_s", "single_utterance", "no_speech_timeout_s")
    END_SILENCE_S_FIELD_NUMBER: _ClassVar[int]
    MAX_UTTERANCE_S_FIELD_NUMBER: _ClassVar[int]
    SINGLE_UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    NO_SPEECH_TIMEOUT_S_FIELD_NUMBER: _ClassVar[int]
    end_silence_s: float
    max_utterance_s: float
    single_utterance: bool
    no_speech_timeout_s: float
    def __init__(self, end_silence_s: _Optional[float] = ..., max_utterance_s: _Optional[float] = ..., single_utterance: bool = ..., no_speech_timeout_s: _Optional[float] = ...) -> None: ...

class StreamingRecognizeResponse(_message.Message):
    __slots__ = ("results", "clock", "event", "model", "stream_id")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[Result]
    clock: AudioClock
    event: SpeechEvent
    model: str
    stream_id: str
    def __init__(self, results: _Optional[_Iterable[_Union[Result, _Mapping]]] = ..., clock: _Optional[_Union[AudioClock, _Mapping]] = ..., event: _Optional[_Union[SpeechEvent, _Mapping]] = ..., model: _Optional[str] = ..., stream_id: _Optional[str] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("alternatives", "is_final", "stability", "start_s", "end_s", "utterance", "channel_tag", "committed_chars", "language")
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    IS_FINAL_FIELD_NUMBER: _ClassVar[int]
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_TAG_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_CHARS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    alternatives: _containers.RepeatedCompositeFieldContainer[Alternative]
    is_final: bool
    stability: float
    start_s: float
    end_s: float
    utterance: int
    channel_tag: int
    committed_chars: int
    language: str
    def __init__(self, alternatives: _Optional[_Iterable[_Union[Alternative, _Mapping]]] = ..., is_final: bool = ..., stability: _Optional[float] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., utterance: _Optional[int] = ..., channel_tag: _Optional[int] = ..., committed_chars: _Optional[int] = ..., language: _Optional[str] = ...) -> None: ...

class Alternative(_message.Message):
    __slots__ = ("transcript", "confidence", "words")
    TRANSCRIPT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    transcript: str
    confidence: float
    words: _containers.RepeatedCompositeFieldContainer[Word]
    def __init__(self, transcript: _Optional[str] = ..., confidence: _Optional[float] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("word", "start_s", "end_s", "confidence")
    WORD_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    word: str
    start_s: float
    end_s: float
    confidence: float
    def __init__(self, word: _Optional[str] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., confidence: _Optional[float] = ...) -> None: ...

class AudioClock(_message.Message):
    __slots__ = ("received_s", "recognized_s")
    RECEIVED_S_FIELD_NUMBER: _ClassVar[int]
    RECOGNIZED_S_FIELD_NUMBER: _ClassVar[int]
    received_s: float
    recognized_s: float
    def __init__(self, received_s: _Optional[float] = ..., recognized_s: _Optional[float] = ...) -> None: ...

class SpeechEvent(_message.Message):
    __slots__ = ("type", "time_s", "channel_tag")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_UNSPECIFIED: _ClassVar[SpeechEvent.Type]
        SPEECH_BEGIN: _ClassVar[SpeechEvent.Type]
        SPEECH_END: _ClassVar[SpeechEvent.Type]
        END_OF_UTTERANCE: _ClassVar[SpeechEvent.Type]
        NO_SPEECH_TIMEOUT: _ClassVar[SpeechEvent.Type]
    TYPE_UNSPECIFIED: SpeechEvent.Type
    SPEECH_BEGIN: SpeechEvent.Type
    SPEECH_END: SpeechEvent.Type
    END_OF_UTTERANCE: SpeechEvent.Type
    NO_SPEECH_TIMEOUT: SpeechEvent.Type
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TIME_S_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_TAG_FIELD_NUMBER: _ClassVar[int]
    type: SpeechEvent.Type
    time_s: float
    channel_tag: int
    def __init__(self, type: _Optional[_Union[SpeechEvent.Type, str]] = ..., time_s: _Optional[float] = ..., channel_tag: _Optional[int] = ...) -> None: ...

class RecognizeRequest(_message.Message):
    __slots__ = ("audio_config", "recognition", "audio", "endpointing")
    AUDIO_CONFIG_FIELD_NUMBER: _ClassVar[int]
    RECOGNITION_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTING_FIELD_NUMBER: _ClassVar[int]
    audio_config: AudioConfig
    recognition: RecognitionConfig
    audio: bytes
    endpointing: EndpointingConfig
    def __init__(self, audio_config: _Optional[_Union[AudioConfig, _Mapping]] = ..., recognition: _Optional[_Union[RecognitionConfig, _Mapping]] = ..., audio: _Optional[bytes] = ..., endpointing: _Optional[_Union[EndpointingConfig, _Mapping]] = ...) -> None: ...

class RecognizeResponse(_message.Message):
    __slots__ = ("results", "audio_s", "model")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    AUDIO_S_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[Result]
    audio_s: float
    model: str
    def __init__(self, results: _Optional[_Iterable[_Union[Result, _Mapping]]] = ..., audio_s: _Optional[float] = ..., model: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "server_version")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    server_version: str
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., server_version: _Optional[str] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "language", "sample_rate_hz", "latencies", "default_latency", "features", "word_error_rates", "description")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    LATENCIES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_LATENCY_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    WORD_ERROR_RATES_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    language: str
    sample_rate_hz: int
    latencies: _containers.RepeatedScalarFieldContainer[Latency]
    default_latency: Latency
    features: _containers.RepeatedScalarFieldContainer[str]
    word_error_rates: _containers.RepeatedCompositeFieldContainer[WordErrorRate]
    description: str
    def __init__(self, name: _Optional[str] = ..., language: _Optional[str] = ..., sample_rate_hz: _Optional[int] = ..., latencies: _Optional[_Iterable[_Union[Latency, str]]] = ..., default_latency: _Optional[_Union[Latency, str]] = ..., features: _Optional[_Iterable[str]] = ..., word_error_rates: _Optional[_Iterable[_Union[WordErrorRate, _Mapping]]] = ..., description: _Optional[str] = ...) -> None: ...

class WordErrorRate(_message.Message):
    __slots__ = ("test_set", "setting", "percent")
    TEST_SET_FIELD_NUMBER: _ClassVar[int]
    SETTING_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    test_set: str
    setting: str
    percent: float
    def __init__(self, test_set: _Optional[str] = ..., setting: _Optional[str] = ..., percent: _Optional[float] = ...) -> None: ...
