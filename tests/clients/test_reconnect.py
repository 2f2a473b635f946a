"""Streams outlive lost connections and stopping servers: no word is lost, none doubled, and all times are right."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hearken
from hearken._audio import AudioFormat
from hearken._reconnect import Attempts
from hearken._replay import ReplayBuffer
from hearken.v1 import speech_pb2 as pb
from tests.clients.marked_speech import SAMPLE_RATE_HZ, MarkedServer, Proxy, marked_audio

WORDS = 200
RAW = {"sample_rate_hz": SAMPLE_RATE_HZ, "word_info": True}
ENOUGH_TO_CONNECT_BYTES = 1500
"""A first connection that is cut before it stands is a server that cannot be reached."""


@pytest.fixture(scope="module")
def running_server() -> Iterator[MarkedServer]:
    server = MarkedServer()
    yield server
    server.kill()


@pytest.fixture
def marked_server(running_server: MarkedServer) -> MarkedServer:
    running_server.speech.breaks = []
    running_server.speech.calls = 0
    return running_server


def spoken(audio: list[bytes]) -> Iterator[bytes]:
    """Slowly enough for results to come in between."""
    for chunk in audio:
        time.sleep(0.002)
        yield chunk


def finals(results: list[hearken.Result]) -> list[tuple[Any, ...]]:
    """All that has to be the same with and without cuts."""
    return [
        (
            result.text,
            result.utterance,
            round(result.start_s, 6),
            round(result.end_s, 6),
            [(word.text, round(word.start_s, 6), round(word.end_s, 6)) for word in result.words],
        )
        for result in results
        if result.is_final
    ]


def undisturbed(server: MarkedServer, audio: list[bytes]) -> list[tuple[Any, ...]]:
    with hearken.Client(server.address, reconnect=None) as client:
        expected = finals(list(client.stream(audio, **RAW)))
    words = [word for _, _, _, _, words in expected for word, _, _ in words]
    assert words == [f"w{i}" for i in range(1, WORDS + 1)]
    return expected


def assert_unbroken(results: list[hearken.Result]) -> None:
    """What the caller sees never goes back."""
    clocks = [result.clock for result in results if result.clock]
    assert [clock.received_s for clock in clocks] == sorted(clock.received_s for clock in clocks)
    assert [clock.recognized_s for clock in clocks] == sorted(clock.recognized_s for clock in clocks)
    shown = [(result.utterance, len(result.text)) for result in results if not result.is_final]
    assert shown == sorted(shown)


def test_cuts_at_random_moments_change_nothing(marked_server: MarkedServer, caller: Any) -> None:
    """50 cuts for each client, in streams of ten."""

    def outlive_ten_cuts(seed: int) -> None:
        luck = random.Random(seed)
        audio = marked_audio(WORDS, seed)
        expected = undisturbed(marked_server, audio)
        cuts = [("client", luck.randint(ENOUGH_TO_CONNECT_BYTES, 50_000))]
        for _ in range(9):
            cuts.append(luck.choice([("client", luck.randint(1, 100_000)), *[("server", luck.randint(1, 5_000))] * 2]))
        proxy = Proxy(marked_server.port, cuts)
        results = caller.stream(proxy.address, spoken(audio), **RAW)
        proxy.close()
        assert proxy.cut_count == len(cuts)
        assert finals(results) == expected
        assert_unbroken(results)

    with ThreadPoolExecutor() as threads:  # at the same time: most of it is waiting
        list(threads.map(outlive_ten_cuts, range(5)))


@pytest.mark.parametrize("status", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED], ids=lambda s: s.name)
def test_servers_that_stop_in_between_change_nothing(
    marked_server: MarkedServer, caller: Any, status: grpc.StatusCode
) -> None:
    audio = marked_audio(WORDS, seed=7)
    expected = undisturbed(marked_server, audio)
    marked_server.speech.breaks = [(sent, status) for sent in (30_000, 0, 15_000, 1500, 45_000, 7500)]
    marked_server.speech.calls = 0
    results = caller.stream(marked_server.address, spoken(audio), **RAW)
    assert marked_server.speech.calls == 7
    assert finals(results) == expected
    assert_unbroken(results)


def test_a_server_that_is_killed_and_started_again_on_its_port_changes_nothing(caller: Any) -> None:
    server = MarkedServer()
    audio = marked_audio(WORDS, seed=8)
    expected = undisturbed(server, audio)

    def spoken_until_the_end() -> Iterator[bytes]:
        for i, chunk in enumerate(spoken(audio)):
            if i in (60, 140):
                server.kill()
                threading.Timer(0.1, server.start).start()
            yield chunk

    results = caller.stream(server.address, spoken_until_the_end(), **RAW)
    server.kill()
    assert finals(results) == expected
    assert_unbroken(results)


def two_channels(seed: int) -> list[bytes]:
    """Two speakers with words and silences of their own, interleaved, cut anywhere."""
    one, other = (b"".join(marked_audio(WORDS, channel_seed)) for channel_seed in (seed, seed + 1))
    length = max(len(one), len(other))
    both = bytearray(2 * length)
    for first, channel in enumerate((one, other)):
        samples = channel.ljust(length, b"\0")
        both[2 * first :: 4], both[2 * first + 1 :: 4] = samples[::2], samples[1::2]
    luck = random.Random(seed)
    cuts = sorted({0, len(both), *(luck.randrange(len(both)) for _ in range(WORDS))})
    return [bytes(both[start:end]) for start, end in itertools.pairwise(cuts)]


@pytest.mark.parametrize("seed", range(3))
def test_separate_channels_each_go_on_from_their_own_last_final_result(
    marked_server: MarkedServer, caller: Any, seed: int
) -> None:
    audio, options = two_channels(seed), RAW | {"channels": 2, "separate_channels": True}
    expected = caller.stream(marked_server.address, audio, **options)
    luck = random.Random(seed)
    marked_server.speech.breaks = [(luck.randint(0, 60_000), grpc.StatusCode.UNAVAILABLE) for _ in range(6)]
    results = caller.stream(marked_server.address, spoken(audio), **options)
    assert not marked_server.speech.breaks
    for tag in (1, 2):
        of_channel = finals([result for result in results if result.channel_tag == tag])
        words = [word for *_, words in of_channel for word, _, _ in words]
        assert words == [f"w{i}" for i in range(1, WORDS + 1)]
        assert of_channel == finals([result for result in expected if result.channel_tag == tag])


@given(
    encoding=st.sampled_from([hearken.Encoding.LINEAR16, hearken.Encoding.MULAW, hearken.Encoding.ALAW]),
    channels=st.integers(1, 6),
    data=st.data(),
)
@settings(max_examples=30)
def test_what_is_settled_of_one_channel_is_silent_when_it_is_sent_again(
    encoding: hearken.Encoding, channels: int, data: st.DataObject
) -> None:
    rate_hz, width = 8000, encoding.sample_bytes
    frames = 6000
    samples = [bytes([1 + channel]) * width for channel in range(channels)]
    replay = ReplayBuffer(AudioFormat(encoding, rate_hz, channels), 10**6, tracks=channels)
    replay.append(b"".join(samples) * frames)
    while replay.has_unsent:
        replay.take()
    settled = [data.draw(st.integers(0, frames)) for _ in range(channels)]
    for channel, frame in enumerate(settled):
        replay.settle(frame / rate_hz, channel)
    replay.rewind()
    again = b""
    while replay.has_unsent:
        again += replay.take()
    assert again == b"".join(
        encoding.silence if frame < settled[channel] else samples[channel]
        for frame in range(min(settled), frames)
        for channel in range(channels)
    )


def test_a_single_utterance_that_was_heard_is_not_followed_by_another(marked_server: MarkedServer, caller: Any) -> None:
    marked_server.speech.breaks = [(None, grpc.StatusCode.UNAVAILABLE)]
    results = caller.stream(marked_server.address, marked_audio(WORDS, seed=1), single_utterance=True, **RAW)
    assert [result.utterance for result in results if result.is_final] == [0]
    assert marked_server.speech.calls == 1


def event(kind: str, time_s: float, clock_s: float) -> pb.StreamingRecognizeResponse:
    return pb.StreamingRecognizeResponse(
        event=pb.SpeechEvent(type=kind, time_s=time_s),  # type: ignore[arg-type]
        clock=pb.AudioClock(received_s=clock_s, recognized_s=clock_s),
    )


def test_events_have_the_times_of_the_whole_stream_and_come_once(server: Any, caller: Any, make_final: Any) -> None:
    calls = [
        [
            event("SPEECH_BEGIN", 0.1, 0.2),
            make_final("good", 0.0, 0.5),
            event("SPEECH_END", 0.5, 0.5),
            event("SPEECH_BEGIN", 0.7, 0.8),
        ],
        [event("SPEECH_BEGIN", 0.25, 0.3), event("SPEECH_END", 0.5, 0.5), make_final("morning", 0.0, 0.5)],
    ]

    def speak(requests: Any, context: Any) -> Any:
        next(requests)
        yield from calls.pop(0)
        if calls:
            context.abort(grpc.StatusCode.UNAVAILABLE, "as the test wants it")
        server.speech.take(requests)

    server.speech.script = speak
    told: list[hearken.SpeechEvent] = []
    audio = [bytes(2 * SAMPLE_RATE_HZ)]
    results = caller.stream(server.address, audio, on_event=told.append, **RAW)
    assert [(result.text, result.start_s) for result in results] == [("good", 0.0), ("morning", 0.5)]
    assert [(event.type.value, event.time_s) for event in told] == [
        ("SPEECH_BEGIN", 0.1),
        ("SPEECH_END", 0.5),
        ("SPEECH_BEGIN", 0.7),
        ("SPEECH_END", 1.0),
    ]


def test_no_speech_is_an_end_and_not_a_reason_to_try_again(server: Any, caller: Any) -> None:
    def silence(requests: Any, context: Any) -> Any:
        next(requests)
        yield event("NO_SPEECH_TIMEOUT", 5.0, 5.0)
        context.abort(grpc.StatusCode.UNAVAILABLE, "before it can say that all is well")

    server.speech.script = silence
    assert caller.stream(server.address, [bytes(100)], no_speech_timeout_s=5, **RAW) == []
    assert len(server.speech.contexts) == 1


def test_a_transcript_survives_too(marked_server: MarkedServer, caller: Any) -> None:
    audio = marked_audio(WORDS, seed=9)
    marked_server.speech.breaks = [(30_000, grpc.StatusCode.UNAVAILABLE)]
    transcript = caller.transcribe(marked_server.address, iter(audio), **RAW)
    assert transcript.text.split() == [f"w{i}" for i in range(1, WORDS + 1)]
    assert transcript.audio_s == pytest.approx(sum(map(len, audio)) / 2 / SAMPLE_RATE_HZ)


def test_without_reconnect_the_first_loss_is_an_error(marked_server: MarkedServer, caller: Any) -> None:
    marked_server.speech.breaks = [(1, grpc.StatusCode.UNAVAILABLE)]
    with pytest.raises(hearken.ConnectionFailed, match="as the test wants it"):
        caller.stream(marked_server.address, marked_audio(WORDS, 1), connection={"reconnect": None}, **RAW)


@pytest.mark.parametrize("status", [grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED], ids=lambda s: s.name)
def test_other_failures_are_not_tried_again(marked_server: MarkedServer, caller: Any, status: grpc.StatusCode) -> None:
    marked_server.speech.breaks = [(1, status)]
    with pytest.raises(hearken.HearkenError, match="as the test wants it"):
        caller.stream(marked_server.address, marked_audio(WORDS, 1), **RAW)
    assert marked_server.speech.calls == 1


def test_a_server_that_is_full_is_asked_again_only_by_a_stream_that_has_lost_its_own(
    marked_server: MarkedServer, caller: Any
) -> None:
    audio = marked_audio(WORDS, seed=2)
    expected = undisturbed(marked_server, audio)
    marked_server.speech.breaks = [(30_000, grpc.StatusCode.UNAVAILABLE), (0, grpc.StatusCode.RESOURCE_EXHAUSTED)]
    assert finals(caller.stream(marked_server.address, audio, **RAW)) == expected


def test_it_gives_up_after_a_while_and_says_so(marked_server: MarkedServer, caller: Any) -> None:
    marked_server.speech.breaks = [(0, grpc.StatusCode.UNAVAILABLE)] * 100
    connection = {"reconnect": hearken.Reconnect(within_s=0.3)}
    with pytest.raises(hearken.ConnectionFailed, match=r"could not be resumed within 0\.3 s: .* as the test wants it"):
        caller.stream(marked_server.address, marked_audio(WORDS, 1), connection=connection, **RAW)


def test_the_time_for_the_whole_call_covers_all_attempts(marked_server: MarkedServer, caller: Any) -> None:
    marked_server.speech.breaks = [(0, grpc.StatusCode.UNAVAILABLE)] * 100
    with pytest.raises(hearken.DeadlineExceeded, match=r"not finished within 0\.3 s"):
        caller.stream(marked_server.address, marked_audio(WORDS, 1), timeout_s=0.3, **RAW)


def test_more_audio_than_is_kept_is_an_error_and_not_a_gap(marked_server: MarkedServer, caller: Any) -> None:
    marked_server.speech.breaks = [(64_000, grpc.StatusCode.UNAVAILABLE)]
    connection = {"reconnect": hearken.Reconnect(buffer_bytes=20_000)}
    silence = [bytes(16_000)] * 20
    with pytest.raises(hearken.ConnectionFailed, match=r"raise Reconnect\.buffer_bytes"):
        caller.stream(marked_server.address, silence, connection=connection, **RAW)


@pytest.mark.parametrize("options", [{}, RAW], ids=["unknown", "declared as raw"])
def test_audio_with_a_header_is_not_continued_in_its_middle(
    marked_server: MarkedServer, caller: Any, make_wav: Any, options: dict[str, Any]
) -> None:
    marked_server.speech.breaks = [(1, grpc.StatusCode.UNAVAILABLE)]
    wav = make_wav(bytes(100_000))
    with pytest.raises(hearken.ConnectionFailed, match="audio with a header"):
        caller.stream(marked_server.address, [wav[:5], wav[5:]], **options)


def test_what_the_audio_raises_while_there_is_no_server_is_raised(marked_server: MarkedServer, caller: Any) -> None:
    class OutOfBattery(Exception):
        pass

    def audio() -> Iterator[bytes]:
        yield bytes(1600)
        time.sleep(0.3)
        raise OutOfBattery

    marked_server.speech.breaks = [(0, grpc.StatusCode.UNAVAILABLE)] * 100
    with pytest.raises(OutOfBattery):
        caller.stream(marked_server.address, audio(), **RAW)


def test_closing_the_client_ends_the_search_for_a_server(marked_server: MarkedServer) -> None:
    marked_server.speech.breaks = [(0, grpc.StatusCode.UNAVAILABLE)] * 100
    client = hearken.Client(marked_server.address)
    threading.Timer(0.3, client.close).start()
    with pytest.raises(hearken.ConnectionFailed):
        list(client.stream(marked_audio(WORDS, 1), **RAW))


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_audio_is_read_on_at_the_speed_of_speech_while_nobody_takes_it() -> None:
    clock = Clock()
    replay = ReplayBuffer(AudioFormat(hearken.Encoding.LINEAR16, 16_000, 1), 320_000, clock)
    replay.append(bytes(80_000))
    assert not replay.wants_more  # 2.5 s were spoken in no time: a file
    clock.now_s = 3.0
    assert replay.wants_more
    replay.append(bytes(240_000))
    clock.now_s = 100.0
    assert not replay.wants_more  # the limit


def test_audio_is_given_again_from_the_sample_that_was_settled() -> None:
    replay = ReplayBuffer(AudioFormat(hearken.Encoding.LINEAR16, 22_050, 2), 1_000_000)
    audio = bytes(range(250)) * 60
    replay.append(audio)
    assert replay.take() == audio
    replay.settle(0.125)
    replay.settle(0.1)  # never goes back
    replay.rewind()
    start = round(0.125 * 22_050) * 4
    assert (replay.settled_s, replay.take()) == (start / 4 / 22_050, audio[start:])
    replay.settle(1e9)
    replay.finish()
    assert replay.is_settled


def test_unsent_audio_is_never_dropped() -> None:
    replay = ReplayBuffer(AudioFormat(hearken.Encoding.LINEAR16, 16_000, 1), 1000)
    replay.append(bytes(15_000))
    assert replay.can_rewind
    assert len(replay.take()) == 15_000
    assert not replay.can_rewind
    assert replay.take() == b""


def test_pauses_grow_and_begin_anew_when_the_stream_went_on_or_the_connection_held() -> None:
    clock = Clock()
    attempts = Attempts(hearken.Reconnect(within_s=1000), None, clock)
    lost = hearken.ConnectionFailed("lost")

    def delay_s() -> float:
        attempts.begin()
        return attempts.delay_s(lost)

    delays_s = [delay_s() for _ in range(12)]
    assert delays_s[0] <= 0.1
    assert 2.5 <= delays_s[-1] <= 5.0
    attempts.went_on()
    assert delay_s() <= 0.1
    delay_s()
    attempts.begin()
    clock.now_s = 60.0
    assert attempts.delay_s(lost) <= 0.1
