"""Every field of Google's requests is honored or refused by name; what is honored arrives."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BoolValue

from models.types import (
    AudioFormat,
    Encoding,
    EndpointingOptions,
    PhraseHint,
    RecognitionOptions,
    Replacement,
    TextOptions,
)
from service.errors import InvalidRequest
from service.rpc.google_v1 import convert
from service.rpc.google_v1.messages import (
    LongRunningRecognizeRequest,
    RecognitionConfig,
    RecognizeRequest,
    StreamingRecognitionConfig,
)
from tests.service.rpc.fields import Path, fields_of, is_value, name_of, set_field, without_field

_V1 = "google.cloud.speech.v1."
HONORED_VALUES = {
    _V1 + "RecognitionConfig.encoding": RecognitionConfig.MULAW,
    _V1 + "RecognitionConfig.sample_rate_hertz": 8000,
    _V1 + "RecognitionConfig.language_code": "DE-de",
    _V1 + "RecognitionConfig.model": "deutsch",
    _V1 + "RecognitionConfig.max_alternatives": 30,
    "google.protobuf.Duration.seconds": 2,
    "google.protobuf.Duration.nanos": 500_000_000,
}
NOT_AN_OPTION = {
    _V1 + "RecognitionAudio.content",
    _V1 + "RecognitionConfig.use_enhanced",  # Google: the standard model is used if there is no enhanced one
}
KINDS = (StreamingRecognitionConfig, RecognizeRequest, LongRunningRecognizeRequest)
ALL_FIELDS = [
    pytest.param(kind, path, id=f"{kind.DESCRIPTOR.name}.{name_of(path)}")
    for kind in KINDS
    for path in fields_of(kind.DESCRIPTOR)
]


def convert_any(message: Any, *recognizers: Any) -> tuple[AudioFormat, RecognitionOptions]:
    if isinstance(message, StreamingRecognitionConfig):
        return convert.streaming_options(message, recognizers, default_latency_ms=640)
    if not message.audio.uri:
        message.audio.content = message.audio.content or b"\x00\x00"
    return convert.recording_options(message, recognizers)


def complete(message: Any) -> None:
    """Fills in what a message needs to be one, so that one field of it can be looked at."""
    for phrases in message.config.adaptation.phrase_sets:
        for phrase in phrases.phrases or [phrases.phrases.add()]:
            phrase.value = phrase.value or "another"
    for context in message.config.speech_contexts:
        context.phrases.append("another")
    for entry in message.config.transcript_normalization.entries:
        entry.search = entry.search or "another"
    if isinstance(message, StreamingRecognitionConfig) and message.HasField("voice_activity_timeout"):
        message.enable_voice_activity_events = True
        for field, duration in message.voice_activity_timeout.ListFields():
            assert field.name.endswith("_timeout")
            duration.seconds = duration.seconds or 1


@pytest.mark.parametrize(("kind", "path"), ALL_FIELDS)
def test_every_field_is_honored_or_refused_by_name(kind: type[Message], path: Path, fakes: ModuleType) -> None:
    message = kind()
    set_field(path, message, HONORED_VALUES)
    stranger = next((n for n, field in enumerate(path) if field.full_name not in convert.HONORED), None)
    if stranger is None:
        unset = without_field(path, message)
        for own in (message, unset):
            complete(own)
        said, unsaid = (convert_any(own, *fakes.two_models()) for own in (message, unset))
        assert said != unsaid or not is_value(path) or path[-1].full_name in NOT_AN_OPTION
        return
    with pytest.raises(InvalidRequest) as raised:
        convert_any(message, fakes.FakeRecognizer())
    assert raised.value.field.removeprefix("streaming_config.") == name_of(path[: stranger + 1])


def test_the_table_names_fields_that_exist() -> None:
    exist = {path[-1].full_name for kind in KINDS for path in fields_of(kind.DESCRIPTOR)}
    assert set(convert.HONORED) <= exist


def test_what_is_honored_arrives(fakes: ModuleType) -> None:
    config = StreamingRecognitionConfig(
        config=RecognitionConfig(
            encoding=RecognitionConfig.FLAC,
            sample_rate_hertz=44100,
            audio_channel_count=2,
            enable_separate_recognition_per_channel=True,
            language_code="en",
            max_alternatives=3,
            profanity_filter=True,
            adaptation={
                "phrase_sets": [{"phrases": [{"value": "one", "boost": 3}, {"value": "two"}], "boost": 4}],
            },
            transcript_normalization={
                "entries": [{"search": "a", "replace": "b"}, {"search": "c", "replace": "d", "case_sensitive": True}]
            },
            speech_contexts=[{"phrases": ["three", "four"], "boost": 2.3}],
            enable_word_confidence=True,
            enable_automatic_punctuation=True,
            enable_spoken_punctuation=BoolValue(value=False),
            model="fake",
            use_enhanced=True,
        ),
        single_utterance=True,
        interim_results=True,
        enable_voice_activity_events=True,
        voice_activity_timeout={
            "speech_start_timeout": Duration(seconds=5),
            "speech_end_timeout": Duration(seconds=1, nanos=500_000_000),
        },
    )
    assert convert_any(config, fakes.FakeRecognizer()) == (
        AudioFormat(Encoding.FLAC, 44100, 2, separate_channels=True),
        RecognitionOptions(
            model="fake",
            interim=True,
            speech_events=True,
            max_alternatives=3,
            word_info=True,
            endpointing=EndpointingOptions(single_utterance=True, speech_start_timeout_s=5.0, speech_end_timeout_s=1.5),
            phrase_hints=(
                PhraseHint("three", 2.3),
                PhraseHint("four", 2.3),
                PhraseHint("one", 3.0),
                PhraseHint("two", 4.0),
            ),
            text=TextOptions(
                automatic_punctuation=True,
                profanity_filter=True,
                replacements=(Replacement("a", "b", ignores_case=True), Replacement("c", "d")),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"sample_rate_hertz": 7_999}, "config.sample_rate_hertz: is 7999; choose 8000 to 48000"),
        (
            {"encoding": RecognitionConfig.MP3},
            "config.encoding: this server does not honor MP3; choose one of",
        ),
        ({"max_alternatives": -1}, "config.max_alternatives: is -1; choose 1 to 30"),
        ({"speech_contexts": [{"phrases": ["x", " "]}]}, "config.speech_contexts[0].phrases[1]: is empty"),
        ({"speech_contexts": [{"phrases": ["x" * 101]}]}, "speech_contexts[0].phrases[0]: has 101 characters"),
        ({"speech_contexts": [{"phrases": ["x"], "boost": -1}]}, "speech_contexts[0].boost: is -1; choose 0 to 20"),
        ({"speech_contexts": [{"phrases": ["x"] * 600}] * 2}, "config.adaptation: holds 1200 phrases in all"),
        ({"transcript_normalization": {"entries": [{"replace": "x"}]}}, "entries[0].search: is empty"),
        ({"adaptation": {"phrase_set_references": ["x"]}}, "config.adaptation.phrase_set_references: this server does"),
    ],
)
def test_a_value_that_cannot_be_honored_is_refused_with_what_to_do(
    wanted: dict[str, Any], said: str, fakes: ModuleType
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        convert_any(RecognizeRequest(config=RecognitionConfig(**wanted)), fakes.FakeRecognizer())
    assert said in str(raised.value)


@pytest.mark.parametrize("duration", [Duration(nanos=1), Duration(seconds=-5), Duration(seconds=2**62)])
def test_timeouts_have_limits(duration: Duration, fakes: ModuleType) -> None:
    config = StreamingRecognitionConfig(
        enable_voice_activity_events=True, voice_activity_timeout={"speech_end_timeout": duration}
    )
    with pytest.raises(InvalidRequest, match=r"speech_end_timeout: is .* s; choose 0\.5 to 600 s"):
        convert_any(config, fakes.FakeRecognizer())
    config.enable_voice_activity_events = False
    with pytest.raises(InvalidRequest, match="set enable_voice_activity_events, too"):
        convert_any(config, fakes.FakeRecognizer())
