"""Every field of the protocol is honored or refused by name; what is honored arrives."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import pytest
from google.protobuf.message import Message

from hearken.v1 import speech_pb2 as pb
from models.types import (
    Alternative,
    AudioFormat,
    DecoderOptions,
    Encoding,
    EndpointingOptions,
    PhraseHint,
    RecognitionOptions,
    Replacement,
    Result,
    SpeechEvent,
    SpeechEventType,
    TextOptions,
    Word,
)
from service.errors import InvalidRequest
from service.rpc import convert
from service.session import Update
from tests.service.rpc.fields import Path, fields_of, is_value, names_set_in, set_field, without_field

HONORED_VALUES: dict[str, Any] = {
    "hearken.v1.StreamingConfig.interim_results": True,
    "hearken.v1.StreamingConfig.latency": pb.LATENCY_320_MS,
    "hearken.v1.RecognizeRequest.audio": b"\x00\x00",
    "hearken.v1.AudioConfig.encoding": pb.AudioConfig.MULAW,
    "hearken.v1.AudioConfig.sample_rate_hz": 8000,
    "hearken.v1.AudioConfig.channels": 2,
    "hearken.v1.RecognitionConfig.model": "deutsch",
    "hearken.v1.RecognitionConfig.language": "DE-de",
    "hearken.v1.RecognitionConfig.max_alternatives": 30,
    "hearken.v1.RecognitionConfig.word_info": True,
    "hearken.v1.DecoderConfig.beam_size": 1000,
    "hearken.v1.EndpointingConfig.end_silence_s": 0.2,
    "hearken.v1.EndpointingConfig.max_utterance_s": 60,
}


def complete(recognition: pb.RecognitionConfig) -> None:
    """Fills in what a message needs to be one, so that one field of it can be looked at."""
    for hint in recognition.phrase_hints:
        hint.phrase = hint.phrase or "another"
    for replacement in recognition.text.replacements:
        replacement.search = replacement.search or "another"


def convert_any(message: Message, *recognizers: Any) -> tuple[AudioFormat, RecognitionOptions]:
    if isinstance(message, pb.StreamingConfig):
        return convert.streaming_options(message, recognizers, default_latency_ms=640)
    assert isinstance(message, pb.RecognizeRequest)
    message.audio = message.audio or b"\x00\x00"
    return convert.recording_options(message, recognizers)


NOT_AN_OPTION = {"hearken.v1.RecognizeRequest.audio"}

ALL_FIELDS = [
    pytest.param(kind, path, id=".".join([kind.DESCRIPTOR.name, *(field.name for field in path)]))
    for kind in (pb.StreamingConfig, pb.RecognizeRequest)
    for path in fields_of(kind.DESCRIPTOR)
]


@pytest.mark.parametrize(("kind", "path"), ALL_FIELDS)
def test_every_field_is_honored_or_refused_by_name(kind: type[Message], path: Path, fakes: ModuleType) -> None:
    message = kind()
    set_field(path, message, HONORED_VALUES)
    stranger = next((n for n, field in enumerate(path) if field.full_name not in convert.HONORED), None)
    if stranger is None:
        unset = without_field(path, message)
        for own in (message, unset):
            complete(own.recognition)  # type: ignore[attr-defined]
        said, unsaid = (convert_any(own, *fakes.two_models()) for own in (message, unset))
        assert said != unsaid or not is_value(path) or path[-1].full_name in NOT_AN_OPTION
        return
    name = ".".join(field.name for field in path[: stranger + 1])
    with pytest.raises(InvalidRequest) as raised:
        convert_any(message, fakes.FakeRecognizer())
    assert raised.value.field.removeprefix("config.") == name


def test_the_table_of_honored_fields_and_the_features_name_fields_that_exist() -> None:
    exist = {
        path[-1].full_name for kind in (pb.StreamingConfig, pb.RecognizeRequest) for path in fields_of(kind.DESCRIPTOR)
    }
    assert set(convert.HONORED) <= exist
    assert list(convert.FEATURES) == sorted(convert.FEATURES)
    assert set(convert.FEATURES) <= {name.rpartition(".")[2] for name in convert.HONORED}


def test_what_is_honored_arrives(fakes: ModuleType) -> None:
    config = pb.StreamingConfig(
        audio=pb.AudioConfig(encoding=pb.AudioConfig.MULAW, sample_rate_hz=8000, channels=2, separate_channels=True),
        recognition=pb.RecognitionConfig(
            model="fake",
            language="en",
            max_alternatives=3,
            word_info=True,
            phrase_hints=[pb.PhraseHint(phrase="hearken", boost=2.3), pb.PhraseHint(phrase="two words")],
            decoder=pb.DecoderConfig(beam_size=50, language_model_weight=0.1, word_bonus=0),
            text=pb.TextConfig(
                automatic_punctuation=True,
                inverse_text_normalization=True,
                profanity_filter=True,
                replacements=[pb.Replacement(search="a", replace="b")],
            ),
        ),
        interim_results=True,
        latency=pb.LATENCY_160_MS,
        speech_events=True,
        endpointing=pb.EndpointingConfig(
            end_silence_s=1.1, max_utterance_s=7, single_utterance=True, no_speech_timeout_s=5
        ),
    )
    assert convert_any(config, fakes.FakeRecognizer()) == (
        AudioFormat(Encoding.MULAW, 8000, 2, separate_channels=True),
        RecognitionOptions(
            model="fake",
            interim=True,
            latency_ms=160,
            speech_events=True,
            max_alternatives=3,
            word_info=True,
            endpointing=EndpointingOptions(1.1, 7.0, True, speech_start_timeout_s=5.0, speech_end_timeout_s=5.0),
            decoder=DecoderOptions(beam_size=50, language_model_weight=0.1, word_bonus=0.0),
            phrase_hints=(PhraseHint("hearken", 2.3), PhraseHint("two words")),
            text=TextOptions(True, True, True, (Replacement("a", "b"),)),
        ),
    )


def test_nothing_said_means_the_defaults(fakes: ModuleType) -> None:
    expected = RecognitionOptions(model="fake", interim=False, word_info=False)
    assert convert_any(pb.StreamingConfig(), fakes.FakeRecognizer()) == (AudioFormat(), expected)
    assert convert_any(pb.RecognizeRequest(), fakes.FakeRecognizer()) == (AudioFormat(), expected)


def test_a_model_is_chosen_by_its_name_or_by_its_language(fakes: ModuleType) -> None:
    english, german = fakes.two_models()
    for wanted, model in (({}, "fake"), ({"model": "deutsch"}, "deutsch"), ({"language": "de"}, "deutsch")):
        config = pb.StreamingConfig(recognition=pb.RecognitionConfig(**wanted))
        _, options = convert.streaming_options(config, [english, german], default_latency_ms=640)
        assert options.model == model
    both = pb.StreamingConfig(recognition=pb.RecognitionConfig(model="fake", language="de"))
    with pytest.raises(InvalidRequest, match="model 'fake' speaks 'en-US', not 'de'"):
        convert.streaming_options(both, [english, german], default_latency_ms=640)


BAD_CONFIGS: list[tuple[str, pb.StreamingConfig, str]] = [
    ("config.audio.encoding", pb.StreamingConfig(audio=pb.AudioConfig(encoding=77)), "77"),  # type: ignore[arg-type]
    ("config.audio.sample_rate_hz", pb.StreamingConfig(audio=pb.AudioConfig(sample_rate_hz=7999)), "8000 to 48000"),
    ("config.audio.sample_rate_hz", pb.StreamingConfig(audio=pb.AudioConfig(sample_rate_hz=48001)), "8000 to 48000"),
    ("config.audio.sample_rate_hz", pb.StreamingConfig(audio=pb.AudioConfig(sample_rate_hz=-1)), "8000 to 48000"),
    ("config.audio.channels", pb.StreamingConfig(audio=pb.AudioConfig(channels=9)), "1 to 8"),
    ("config.latency", pb.StreamingConfig(latency=9), "9"),  # type: ignore[arg-type]
    ("config.latency", pb.StreamingConfig(latency=pb.LATENCY_1280_MS), "160, 320, 640 ms"),
    ("config.recognition.model", pb.StreamingConfig(recognition=pb.RecognitionConfig(model="x")), "'fake'"),
    ("config.recognition.language", pb.StreamingConfig(recognition=pb.RecognitionConfig(language="de")), "'en-US'"),
    (
        "config.recognition.max_alternatives",
        pb.StreamingConfig(recognition=pb.RecognitionConfig(max_alternatives=31)),
        "30",
    ),
    *(
        (f"config.recognition.{field}", pb.StreamingConfig(recognition=pb.RecognitionConfig(**wanted)), said)
        for field, wanted, said in (
            ("model", {"model": "x" * 101}, "at most 100"),
            ("phrase_hints", {"phrase_hints": [pb.PhraseHint(phrase="x")] * 10_000}, "at most 1000"),
            ("phrase_hints[0].phrase", {"phrase_hints": [pb.PhraseHint(phrase=" ")]}, "leave the hint out"),
            ("phrase_hints[1].phrase", {"phrase_hints": [{"phrase": "x"}, {"phrase": "x" * 101}]}, "at most 100"),
            ("phrase_hints[0].boost", {"phrase_hints": [pb.PhraseHint(phrase="x", boost=1e9)]}, "0 to 20"),
            ("phrase_hints[0].boost", {"phrase_hints": [pb.PhraseHint(phrase="x", boost=-1)]}, "0 to 20"),
            ("phrase_hints[0].boost", {"phrase_hints": [pb.PhraseHint(phrase="x", boost=math.nan)]}, "0 to 20"),
            ("decoder.beam_size", {"decoder": pb.DecoderConfig(beam_size=0)}, "1 to 1000"),
            ("decoder.language_model_weight", {"decoder": {"language_model_weight": math.inf}}, "0 to 5"),
            ("decoder.word_bonus", {"decoder": pb.DecoderConfig(word_bonus=-6)}, "-5 to 5"),
            (
                "text.replacements[0].search",
                {"text": {"replacements": [pb.Replacement()]}},
                "leave the replacement out",
            ),
        )
    ),
    *(
        (
            "config.endpointing.end_silence_s",
            pb.StreamingConfig(endpointing=pb.EndpointingConfig(end_silence_s=s)),
            "10",
        )
        for s in (0.0, 0.19, 10.1, -1.0, math.nan, math.inf, -math.inf)
    ),
    *(
        (
            "config.endpointing.max_utterance_s",
            pb.StreamingConfig(endpointing=pb.EndpointingConfig(max_utterance_s=s)),
            "60",
        )
        for s in (4.9, 60.1, math.nan)
    ),
]


@pytest.mark.parametrize(("field", "config", "said"), BAD_CONFIGS)
def test_a_value_that_cannot_be_honored_is_refused_with_what_to_do(
    field: str, config: pb.StreamingConfig, said: str, fakes: ModuleType
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        convert_any(config, fakes.FakeRecognizer())
    assert raised.value.field == field
    assert said in str(raised.value)


# Field number 1000, a varint: a field of a protocol newer than this server.
FROM_THE_FUTURE = b"\xc0\x3e\x01"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (pb.StreamingConfig.FromString(FROM_THE_FUTURE), "config"),
        (pb.StreamingConfig(audio=pb.AudioConfig.FromString(FROM_THE_FUTURE)), "config.audio"),
        (pb.RecognizeRequest.FromString(FROM_THE_FUTURE), "request"),
        (pb.RecognizeRequest(endpointing=pb.EndpointingConfig.FromString(FROM_THE_FUTURE)), "endpointing"),
    ],
)
def test_a_field_that_this_version_does_not_know_is_refused(message: Message, field: str, fakes: ModuleType) -> None:
    with pytest.raises(InvalidRequest, match="field number 1000") as raised:
        convert_any(message, fakes.FakeRecognizer())
    assert raised.value.field == field


def test_results_keep_everything() -> None:
    words = (Word("good", 0.5, 0.75, 0.5), Word("morning", 0.75, 1.25))
    final = Result((Alternative("good morning", 0.75, words), Alternative("god morning")), True, 0.5, 1.25, 3, 1.0)
    interim = Result((Alternative("is"),), False, 2.0, 2.25, 4, 0.5)
    message = convert.response(Update((final, interim), 3.0, 2.5), language="en-US")
    assert (message.clock.received_s, message.clock.recognized_s) == (3.0, 2.5)
    first, second = message.results
    assert (first.is_final, first.stability, first.start_s, first.end_s, first.utterance) == (True, 1.0, 0.5, 1.25, 3)
    assert first.language == "en-US"
    assert [(a.transcript, a.confidence) for a in first.alternatives] == [("good morning", 0.75), ("god morning", 0.0)]
    assert [(w.word, w.start_s, w.end_s, w.confidence) for w in first.alternatives[0].words] == [
        ("good", 0.5, 0.75, 0.5),
        ("morning", 0.75, 1.25, 0.0),
    ]
    assert (second.is_final, second.stability, second.utterance) == (False, 0.5, 4)


def test_an_event_keeps_everything() -> None:
    event = SpeechEvent(SpeechEventType.NO_SPEECH_TIMEOUT, 5.0, 2)
    message = convert.response(Update((), 6.0, 4.0, event), language="en-US")
    assert message.event == pb.SpeechEvent(type=pb.SpeechEvent.NO_SPEECH_TIMEOUT, time_s=5.0, channel_tag=2)
    assert not message.results and message.clock.received_s == 6.0
    assert not convert.response(Update((), 6.0, 4.0), language="en-US").HasField("event")


def test_every_field_of_the_answers_is_set_somewhere(fakes: ModuleType) -> None:
    words = (Word("good", 0.5, 0.75, 0.5),)
    result = Result((Alternative("good", 0.75, words),), True, 0.5, 1.25, 3, 1.0, channel_tag=1, committed_chars=4)
    event = SpeechEvent(SpeechEventType.SPEECH_BEGIN, 0.5, 1)
    answers: list[Message] = [
        convert.admission(model="fake", stream_id="x"),
        convert.response(Update((result,), 3.0, 2.5, event), language="en-US"),
        convert.recording_response([result], audio_s=2.0, model="fake", language="en-US"),
        convert.models_response(fakes.two_models(), default_latency_ms=640),
    ]
    found = {name for answer in answers for name in names_set_in(answer)}
    kinds = {type(answer).DESCRIPTOR for answer in answers}
    assert {path[-1].full_name for kind in kinds for path in fields_of(kind)} - found == set()
