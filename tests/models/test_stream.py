"""A stream's final text is the file's, whatever the packets, the latency and the neighbors in its batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from models.errors import InvalidAudio, InvalidOptions
from models.recognizer import Recognizer
from models.stream import Stream
from models.types import (
    AudioFormat,
    Encoding,
    EndpointingOptions,
    RecognitionOptions,
    Result,
    SpeechEvent,
    SpeechEventType,
)

PCM = AudioFormat(Encoding.LINEAR16, 16_000, 1)
SECONDS = 6.0
Pass = tuple[float, torch.Tensor]
MakeBabble = Callable[[float, int], bytes]


def drain(recognizer: Recognizer, streams: list[Stream]) -> list[list[Result]]:
    """Advances all ready streams together until none is ready."""
    results: list[list[Result]] = [[] for _ in streams]
    while any(stream.is_ready or stream.is_decoding for stream in streams):
        ready = [i for i, stream in enumerate(streams) if stream.is_ready]
        for i, new in zip(ready, recognizer.advance([streams[i] for i in ready]), strict=True):
            results[i] += new
        for own, stream in zip(results, streams, strict=True):
            if stream.is_decoding:
                own += recognizer.decode(stream)
    return results


def whole_passes(recognizer: Recognizer, streams: list[Stream]) -> list[list[Pass]]:
    """As `drain`, but what the beam search was given, which decides the text: start and log probabilities."""
    passes: list[list[Pass]] = [[] for _ in streams]
    while any(stream.is_ready or stream.is_decoding for stream in streams):
        recognizer.advance([stream for stream in streams if stream.is_ready])
        for own, stream in zip(passes, streams, strict=True):
            if stream.is_decoding:
                own.append((stream.utterance_start_s, stream.final_log_probs))
                recognizer.decode(stream)
    return passes


@settings(max_examples=15, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    cuts=st.lists(st.integers(1, 60_000), min_size=1, max_size=25).filter(lambda cuts: sum(cuts) > 5_000 * len(cuts)),
    latency_ms=st.sampled_from([160, 320, 640, 1280]),
    neighbors=st.integers(0, 4),
    seed=st.integers(0, 3),
)
def test_streaming_equals_offline_bit_for_bit(
    tiny_recognizer: Recognizer,
    make_babble: MakeBabble,
    cuts: list[int],
    latency_ms: int,
    neighbors: int,
    seed: int,
) -> None:
    recordings = [make_babble(SECONDS, seed + i) for i in range(neighbors + 1)]
    options = RecognitionOptions(latency_ms=latency_ms)
    streams = [tiny_recognizer.open_stream(PCM, options) for _ in recordings]
    passes: list[list[Pass]] = [[] for _ in recordings]
    at = 0
    while at < len(recordings[0]):
        for cut in cuts:
            for stream, recording in zip(streams, recordings, strict=True):
                stream.accept(recording[at : at + cut])
            at += cut
            for own, new in zip(passes, whole_passes(tiny_recognizer, streams), strict=True):
                own += new
    for stream in streams:
        stream.finish()
    for own, new in zip(passes, whole_passes(tiny_recognizer, streams), strict=True):
        own += new
    for own, recording in zip(passes, recordings, strict=True):
        alone = tiny_recognizer.open_stream(PCM, RecognitionOptions(interim=False))
        alone.accept(recording)
        alone.finish()
        offline = whole_passes(tiny_recognizer, [alone])[0]
        assert len(own) == len(offline) > 0
        for (start, streamed), (offline_start, log_probs) in zip(own, offline, strict=True):
            assert start == offline_start
            assert torch.equal(streamed, log_probs)


def test_utterances_are_numbered_and_lie_one_after_the_other(
    tiny_recognizer: Recognizer, make_babble: MakeBabble
) -> None:
    results = tiny_recognizer.transcribe(make_babble(20.0, 5), PCM, RecognitionOptions())
    assert len(results) > 1
    assert [result.utterance for result in results] == list(range(len(results)))
    for before, after in itertools.pairwise(results):
        assert before.end_s <= after.start_s
    for result in results:
        times = [t for word in result.alternatives[0].words for t in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert result.start_s <= times[0] and times[-1] <= result.end_s + 0.08


def test_an_utterance_that_outgrows_its_limit_is_cut(tiny_recognizer: Recognizer, make_babble: MakeBabble) -> None:
    options = RecognitionOptions(endpointing=EndpointingOptions(end_silence_s=10, max_utterance_s=5))
    results = tiny_recognizer.transcribe(make_babble(21.0, 6), PCM, options)
    assert len(results) >= 4
    assert all(result.end_s - result.start_s <= 5.0 for result in results)


def test_the_audio_clock_runs_to_the_end(tiny_recognizer: Recognizer, make_babble: MakeBabble) -> None:
    stream = tiny_recognizer.open_stream(PCM, RecognitionOptions())
    stream.accept(make_babble(2.0, 1))
    assert stream.received_s == pytest.approx(2.0)
    drain(tiny_recognizer, [stream])
    assert 2.0 - 0.7 < stream.recognized_s <= 2.0
    stream.finish()
    drain(tiny_recognizer, [stream])
    assert stream.recognized_s == stream.received_s


def test_without_interim_results_only_finals_come(tiny_recognizer: Recognizer, make_babble: MakeBabble) -> None:
    stream = tiny_recognizer.open_stream(PCM, RecognitionOptions(interim=False))
    stream.accept(make_babble(3.0, 1))
    stream.finish()
    assert all(result.is_final for result in drain(tiny_recognizer, [stream])[0])


def test_silence_has_no_words(tiny_recognizer: Recognizer) -> None:
    assert tiny_recognizer.transcribe(b"", PCM, RecognitionOptions()) == []


def test_audio_that_ends_inside_a_sample_is_refused(tiny_recognizer: Recognizer) -> None:
    stream = tiny_recognizer.open_stream(PCM, RecognitionOptions())
    stream.accept(bytes(3201))
    with pytest.raises(InvalidAudio, match="multiple of 2 bytes"):
        stream.finish()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (RecognitionOptions(latency_ms=100), "latency of 100 ms"),
        (RecognitionOptions(max_alternatives=31), "max_alternatives is 31"),
        (RecognitionOptions(max_alternatives=0), "max_alternatives is 0"),
    ],
)
def test_options_outside_the_offer_are_refused(
    tiny_recognizer: Recognizer, options: RecognitionOptions, sentence: str
) -> None:
    with pytest.raises(InvalidOptions, match=sentence):
        tiny_recognizer.open_stream(PCM, options)


def events_of(recognizer: Recognizer, audio: bytes, options: RecognitionOptions, cut: int) -> list[SpeechEvent]:
    stream, events = recognizer.open_stream(PCM, options), []
    for at in range(0, len(audio), cut):
        stream.accept(audio[at : at + cut])
        events += stream.take_events()
        while stream.is_ready or stream.is_decoding:
            drain(recognizer, [stream])
            events += stream.take_events()
    stream.finish()
    events += stream.take_events()
    drain(recognizer, [stream])
    return events + stream.take_events()


def test_events_are_the_same_for_every_cutting_and_in_order(
    tiny_recognizer: Recognizer, make_babble: MakeBabble
) -> None:
    audio = make_babble(12.0, 2)
    options = RecognitionOptions(interim=False, speech_events=True)
    whole = events_of(tiny_recognizer, audio, options, len(audio))
    assert events_of(tiny_recognizer, audio, options, 7_777) == whole
    kinds = {event.type for event in whole}
    assert kinds == {SpeechEventType.SPEECH_BEGIN, SpeechEventType.SPEECH_END, SpeechEventType.END_OF_UTTERANCE}
    assert all(0 <= event.time_s <= 12.0 and event.channel_tag == 0 for event in whole)
    assert not events_of(tiny_recognizer, audio, RecognitionOptions(interim=False), len(audio))


def test_a_single_utterance_is_that_of_the_whole_stream_and_nothing_after_it(
    tiny_recognizer: Recognizer, make_babble: MakeBabble
) -> None:
    audio = make_babble(20.0, 5)
    first, *_ = tiny_recognizer.transcribe(audio, PCM, RecognitionOptions())
    options = RecognitionOptions(speech_events=True, endpointing=EndpointingOptions(single_utterance=True))
    for cut in (3_000, len(audio)):
        stream = tiny_recognizer.open_stream(PCM, options)
        results = []
        for at in range(0, len(audio), cut):
            stream.accept(audio[at : at + cut])
            results += drain(tiny_recognizer, [stream])[0]
        stream.finish()
        results += drain(tiny_recognizer, [stream])[0]
        assert stream.is_over and [result for result in results if result.is_final] == [first]
        assert all(event.time_s <= first.end_s for event in stream.take_events())


@pytest.mark.parametrize("cut", [999, 160_000])
def test_a_stream_ends_when_nobody_speaks_for_too_long(
    tiny_recognizer: Recognizer, make_babble: MakeBabble, cut: int
) -> None:
    audio = make_babble(2.0, 1) + bytes(2 * 16_000 * 5) + make_babble(2.0, 1)
    options = RecognitionOptions(
        interim=False, endpointing=EndpointingOptions(speech_start_timeout_s=3.0, speech_end_timeout_s=3.0)
    )
    events = events_of(tiny_recognizer, audio, options, cut)
    assert [event.type for event in events] == [SpeechEventType.NO_SPEECH_TIMEOUT]
    assert 4.0 < events[0].time_s < 5.5
    assert events == events_of(tiny_recognizer, audio, options, len(audio))
    finals = tiny_recognizer.transcribe(audio, PCM, options)
    assert finals and all(result.end_s <= events[0].time_s for result in finals)


def test_separate_channels_are_each_recognized_as_if_they_were_alone(
    tiny_recognizer: Recognizer, make_babble: MakeBabble
) -> None:
    one, two = make_babble(5.0, 3), make_babble(5.0, 4)
    both = np.stack([np.frombuffer(one, "<i2"), np.frombuffer(two, "<i2")], axis=1).tobytes()
    audio = AudioFormat(Encoding.LINEAR16, 16_000, 2, separate_channels=True)
    options = RecognitionOptions(interim=False)
    results = tiny_recognizer.transcribe(both, audio, options)
    for tag, alone in ((1, one), (2, two)):
        own = [replace(result, channel_tag=0) for result in results if result.channel_tag == tag]
        assert own == tiny_recognizer.transcribe(alone, PCM, options)
    assert {result.channel_tag for result in results} == {1, 2}
