"""Every field of Riva's requests is honored or refused by name; what is honored arrives."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from google.protobuf.message import Message
from riva.client.proto.riva_asr_pb2 import EndpointingConfig, RecognitionConfig, SpeechContext

from models.types import (
    AudioFormat,
    BlankEndpointing,
    Encoding,
    EndpointingOptions,
    PhraseHint,
    RecognitionOptions,
    TextOptions,
)
from service.errors import InvalidRequest
from service.rpc.riva import convert
from service.rpc.riva.messages import AudioEncoding, ConfigRequest, RecognizeRequest, StreamingRecognitionConfig
from tests.service.rpc.fields import Path, fields_of, is_value, name_of, set_field, without_field

_ASR = "nvidia.riva.asr."
HONORED_VALUES = {
    _ASR + "RecognitionConfig.encoding": AudioEncoding.MULAW,
    _ASR + "RecognitionConfig.sample_rate_hertz": 8000,
    _ASR + "RecognitionConfig.language_code": "DE-de",
    _ASR + "RecognitionConfig.model": "deutsch",
    _ASR + "RecognitionConfig.max_alternatives": 30,
}
NOT_AN_OPTION = {
    _ASR + "RecognizeRequest.audio",
    "nvidia.riva.RequestId.value",  # comes back in the answers
}
KINDS = (StreamingRecognitionConfig, RecognizeRequest)
ALL_FIELDS = [
    pytest.param(kind, path, id=f"{kind.DESCRIPTOR.name}.{name_of(path)}")
    for kind in KINDS
    for path in fields_of(kind.DESCRIPTOR)
]


def convert_any(message: Any, *recognizers: Any) -> tuple[AudioFormat, RecognitionOptions]:
    if isinstance(message, StreamingRecognitionConfig):
        return convert.streaming_options(message, recognizers, default_latency_ms=640)
    message.audio = message.audio or b"\x00\x00"
    return convert.recording_options(message, recognizers, default_latency_ms=640)


@pytest.mark.parametrize(("kind", "path"), ALL_FIELDS)
def test_every_field_is_honored_or_refused_by_name(kind: type[Message], path: Path, fakes: ModuleType) -> None:
    message = kind()
    set_field(path, message, HONORED_VALUES)
    stranger = next((n for n, field in enumerate(path) if field.full_name not in convert.HONORED), None)
    if stranger is None:
        unset = without_field(path, message)
        for own in (message, unset):
            for context in own.config.speech_contexts:
                context.phrases.append("another")
        said, unsaid = (convert_any(own, *fakes.two_models()) for own in (message, unset))
        assert said != unsaid or not is_value(path) or path[-1].full_name in NOT_AN_OPTION
        return
    with pytest.raises(InvalidRequest) as raised:
        convert_any(message, fakes.FakeRecognizer())
    assert raised.value.field.removeprefix("streaming_config.") == name_of(path[: stranger + 1])


def test_the_table_names_fields_that_exist() -> None:
    exist = {path[-1].full_name for kind in (*KINDS, ConfigRequest) for path in fields_of(kind.DESCRIPTOR)}
    assert set(convert.HONORED) <= exist


def test_what_is_honored_arrives(fakes: ModuleType) -> None:
    config = StreamingRecognitionConfig(
        config=RecognitionConfig(
            encoding=AudioEncoding.ALAW,
            sample_rate_hertz=8000,
            audio_channel_count=2,
            enable_separate_recognition_per_channel=True,
            language_code="en",
            model="fake",
            max_alternatives=3,
            profanity_filter=True,
            speech_contexts=[SpeechContext(phrases=["one", "two"], boost=2.3)],
            enable_word_time_offsets=True,
            enable_automatic_punctuation=True,
            verbatim_transcripts=True,
            endpointing_config=EndpointingConfig(stop_history=400, stop_threshold=0.9, start_history=-1),
        ),
        interim_results=True,
    )
    assert convert_any(config, fakes.FakeRecognizer()) == (
        AudioFormat(Encoding.ALAW, 8000, 2, separate_channels=True),
        RecognitionOptions(
            model="fake",
            interim=True,
            max_alternatives=3,
            word_info=True,
            endpointing=EndpointingOptions(blanks=BlankEndpointing(stop_history_s=0.4, stop_threshold=0.9)),
            phrase_hints=(PhraseHint("one", 2.3), PhraseHint("two", 2.3)),
            text=TextOptions(automatic_punctuation=True, profanity_filter=True),
        ),
    )


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"sample_rate_hertz": 7_999}, "config.sample_rate_hertz: is 7999; choose 8000 to 48000"),
        ({"encoding": 99}, "config.encoding: this server does not honor 99; choose one of ENCODING_UNSPECIFIED"),
        ({"speech_contexts": [SpeechContext(phrases=["x", " "])]}, "config.speech_contexts[0].phrases[1]: is empty"),
        ({"speech_contexts": [SpeechContext(phrases=["x"] * 600)] * 2}, "speech_contexts: holds 1200 phrases"),
        ({"endpointing_config": EndpointingConfig(stop_threshold=1.1)}, "stop_threshold: is 1.1; choose -1 to 1"),
        ({"endpointing_config": EndpointingConfig(start_history=10**6)}, "start_history: is 1e+06; choose -1 to 10000"),
        ({"endpointing_config": EndpointingConfig(stop_history_eou=800)}, "stop_history_eou: is not smaller than"),
    ],
)
def test_a_value_that_cannot_be_honored_is_refused_with_what_to_do(
    wanted: dict[str, Any], said: str, fakes: ModuleType
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        convert_any(RecognizeRequest(config=RecognitionConfig(**wanted)), fakes.FakeRecognizer())
    assert said in str(raised.value)
