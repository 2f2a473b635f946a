"""Both clients, against a fake server: what they send, what they give back, and how they end."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hearken
from hearken.v1 import speech_pb2 as pb

TEXT = "good morning is anybody there"
PATIENCE_S = 10.0


def test_a_short_recording_is_sent_whole(
    server: Any, caller: Any, tmp_path: Any, make_wav: Any, make_tone: Any
) -> None:
    samples = make_tone(1.0)
    path = tmp_path / "short.wav"
    path.write_bytes(make_wav(samples))
    transcript = caller.transcribe(server.address, path)
    (request,) = server.speech.recognized
    assert request.audio == samples
    assert request.audio_config == pb.AudioConfig(encoding="LINEAR16", sample_rate_hz=16_000, channels=1)
    assert (transcript.text, transcript.audio_s, transcript.model) == (TEXT, 1.0, "fake")


def test_a_long_recording_is_streamed_and_gives_the_same(server: Any, caller: Any, make_wav: Any) -> None:
    samples = bytes(40 * 16_000 * 2)
    transcript = caller.transcribe(server.address, make_wav(samples))
    assert not server.speech.recognized
    assert b"".join(server.speech.audio) == samples
    assert not server.speech.configs[0].interim_results
    assert (transcript.text, transcript.model) == (TEXT, "fake")
    assert [result.is_final for result in transcript.results] == [True, True]
    assert transcript.audio_s == 40.0


def test_transcribe_takes_what_stream_takes(server: Any, caller: Any) -> None:
    assert caller.transcribe(server.address, iter([b"\0\0"]), sample_rate_hz=16_000).text == TEXT


def test_options_reach_the_server(server: Any, caller: Any) -> None:
    caller.stream(
        server.address,
        [b"\0"],
        sample_rate_hz=8000,
        channels=2,
        encoding=hearken.Encoding.MULAW,
        model="big",
        language="en-US",
        max_alternatives=3,
        word_info=True,
        end_silence_s=0.5,
        max_utterance_s=30,
        interim_results=False,
        latency_ms=320,
        separate_channels=True,
        phrase_hints=["anna", hearken.PhraseHint("van der berg", 4.5)],
        beam_size=20,
        language_model_weight=0.0,
        word_bonus=-0.5,
        automatic_punctuation=True,
        inverse_text_normalization=True,
        profanity_filter=True,
        replacements={"hark in": "Hearken"},
        single_utterance=True,
        no_speech_timeout_s=5,
        on_event=print,
    )
    assert server.speech.configs == [
        pb.StreamingConfig(
            audio=pb.AudioConfig(encoding="MULAW", sample_rate_hz=8000, channels=2, separate_channels=True),
            recognition=pb.RecognitionConfig(
                model="big",
                language="en-US",
                max_alternatives=3,
                word_info=True,
                phrase_hints=[pb.PhraseHint(phrase="anna"), pb.PhraseHint(phrase="van der berg", boost=4.5)],
                decoder=pb.DecoderConfig(beam_size=20, language_model_weight=0, word_bonus=-0.5),
                text=pb.TextConfig(
                    automatic_punctuation=True,
                    inverse_text_normalization=True,
                    profanity_filter=True,
                    replacements=[pb.Replacement(search="hark in", replace="Hearken")],
                ),
            ),
            endpointing=pb.EndpointingConfig(
                end_silence_s=0.5, max_utterance_s=30, single_utterance=True, no_speech_timeout_s=5
            ),
            latency=pb.LATENCY_320_MS,
            speech_events=True,
        )
    ]


def test_every_field_of_the_protocol_can_be_asked_for() -> None:
    """What the test above sends leaves no field of a request unset."""
    asked = {keyword for options in (hearken.StreamOptions,) for keyword in options.__annotations__}
    asked |= set(hearken.TranscribeOptions.__annotations__)
    fields = {
        field.name
        for message in (pb.AudioConfig, pb.RecognitionConfig, pb.DecoderConfig, pb.TextConfig, pb.EndpointingConfig)
        for field in message.DESCRIPTOR.fields
    }
    assert fields - {"decoder", "text"} <= asked


def test_without_options_the_server_decides(server: Any, caller: Any) -> None:
    caller.stream(server.address, iter([b"RIFF..."]))
    assert server.speech.configs == [
        pb.StreamingConfig(
            audio=pb.AudioConfig(), recognition=pb.RecognitionConfig(max_alternatives=1), interim_results=True
        )
    ]


def test_raw_audio_is_16_bit_unless_said_otherwise(server: Any, caller: Any) -> None:
    caller.stream(server.address, [b"\0\0"], sample_rate_hz=16_000)
    assert server.speech.configs[0].audio == pb.AudioConfig(encoding="LINEAR16", sample_rate_hz=16_000)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"latency_ms": 100}, "160, 320, 640 or 1280"),
        ({"sample_rate_hz": 2**40}, "cannot be sent"),
        ({"phrase_hints": "anna"}, "a list of texts"),
    ],
)
def test_an_option_that_cannot_be_sent_is_refused_at_once(
    server: Any, caller: Any, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(hearken.InvalidRequest, match=sentence):
        caller.stream(server.address, [b"\0\0"], **options)
    assert not server.speech.contexts


def test_an_unknown_option_is_a_type_error(server: Any, caller: Any) -> None:
    with pytest.raises(TypeError, match="sample_rate"):
        caller.stream(server.address, [b"\0\0"], sample_rate=16_000)


def test_results_come_with_all_that_the_server_says(server: Any, caller: Any) -> None:
    interim, first, second = caller.stream(server.address, [b"\0\0"], sample_rate_hz=16_000, word_info=True)
    assert interim == hearken.Result(
        alternatives=(hearken.Alternative("good"),),
        is_final=False,
        start_s=0.0,
        end_s=0.5,
        stability=0.5,
        committed_chars=4,
        clock=hearken.AudioClock(1.0, 0.75),
        model="fake",
        stream_id="s1",
    )
    assert interim.clock.lag_s == 0.25
    words = (hearken.Word("good", 0.0, 0.75), hearken.Word("morning", 0.75, 1.5))
    assert first == hearken.Result(
        alternatives=(hearken.Alternative("good morning", 0.5, words),),
        is_final=True,
        start_s=0.0,
        end_s=1.5,
        stability=1.0,
        language="en-US",
        clock=hearken.AudioClock(1.5, 1.5),
        model="fake",
        stream_id="s1",
    )
    assert (second.text, second.utterance) == ("is anybody there", 1)


def test_events_are_told_before_the_results_of_their_response(server: Any, caller: Any, make_final: Any) -> None:
    def speak(requests: Any, context: Any) -> Any:
        server.speech.take(requests)
        yield pb.StreamingRecognizeResponse(event=pb.SpeechEvent(type="SPEECH_BEGIN", time_s=0.5, channel_tag=2))
        yield pb.StreamingRecognizeResponse(event=pb.SpeechEvent(type=99))  # of a later version of the protocol
        final = make_final("good")
        final.event.type = pb.SpeechEvent.END_OF_UTTERANCE
        yield final

    server.speech.script = speak
    told: list[Any] = []
    (result,) = caller.stream(server.address, [b"\0\0"], sample_rate_hz=16_000, on_event=told.append)
    assert server.speech.configs[0].speech_events
    assert told == [
        hearken.SpeechEvent(hearken.SpeechEventType.SPEECH_BEGIN, 0.5, 2),
        hearken.SpeechEvent(hearken.SpeechEventType.END_OF_UTTERANCE, 0.0),
    ]
    assert result.text == "good"


def test_models_are_listed(server: Any, caller: Any) -> None:
    assert caller.models(server.address) == (
        hearken.Model(
            name="fake",
            language="en-US",
            sample_rate_hz=16_000,
            latencies=(hearken.Latency.MS_160, hearken.Latency.MS_640),
            default_latency=hearken.Latency.MS_640,
            features=("word_info",),
            word_error_rates=(hearken.WordErrorRate("clean", "final", 12.5),),
            description="a fake",
        ),
    )


def test_both_sides_say_their_version(server: Any, caller: Any) -> None:
    assert caller.server_version(server.address) == "0.0.9"
    assert f"hearken-python/{hearken.__version__}" in server.speech.metadata[0]["user-agent"]


@given(audio=st.binary(max_size=2000), cuts=st.lists(st.integers(0, 2000), max_size=20), is_async=st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_audio_cut_anyhow_arrives_unchanged_and_in_order(
    shared_server: Any, caller: Any, make_async: Any, audio: bytes, cuts: list[int], is_async: bool
) -> None:
    borders = [0, *sorted(cuts), len(audio)]
    chunks = [audio[start:end] for start, end in itertools.pairwise(borders)]
    use_async = is_async and type(caller).__name__ == "AsyncCaller"
    shared_server.speech.audio.clear()
    caller.stream(shared_server.address, make_async(chunks) if use_async else chunks, sample_rate_hz=16_000)
    assert b"".join(shared_server.speech.audio) == audio
    assert all(shared_server.speech.audio)  # an empty message would be refused


def test_a_huge_chunk_is_cut_to_what_a_message_may_hold(server: Any, caller: Any) -> None:
    audio = bytes(range(256)) * 12_000
    caller.stream(server.address, [audio], sample_rate_hz=16_000)
    assert b"".join(server.speech.audio) == audio
    assert max(map(len, server.speech.audio)) <= 1024 * 1024


def test_arrays_of_int16_are_audio(server: Any, caller: Any) -> None:
    samples = np.arange(-500, 500, dtype=np.int16)
    caller.stream(
        server.address, [samples[:300], samples[300:][::1], bytearray(b"ab"), memoryview(b"cd")], sample_rate_hz=16_000
    )
    assert b"".join(server.speech.audio) == samples.tobytes() + b"abcd"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_of_floats_are_scaled_and_clipped(server: Any, caller: Any, dtype: Any) -> None:
    caller.stream(server.address, [np.array([-1.5, -1, -0.5, 0, 0.5, 1, 1.5], dtype)], sample_rate_hz=16_000)
    heard = np.frombuffer(b"".join(server.speech.audio), np.int16)
    assert heard.tolist() == [-32768, -32767, -16384, 0, 16384, 32767, 32767]


@pytest.mark.parametrize(
    "chunk",
    [np.full(10, 12_000.0), np.array([np.nan]), np.zeros(10, np.uint8), "text", 7, np.int16(7)],
    ids=["loud floats", "nan", "bytes", "text", "a number", "a number of numpy's"],
)
def test_what_is_not_audio_is_refused(server: Any, caller: Any, chunk: Any) -> None:
    with pytest.raises(hearken.AudioError, match="arrays"):
        caller.stream(server.address, [b"\0\0", chunk], sample_rate_hz=16_000)


@pytest.mark.parametrize("seconds", [1, 60], ids=["sent whole", "streamed"])
def test_an_array_is_a_recording(server: Any, caller: Any, seconds: int) -> None:
    samples = np.arange(seconds * 16_000 * 2, dtype=np.int32).astype(np.int16).reshape(-1, 2)
    transcript = caller.transcribe(server.address, samples, sample_rate_hz=16_000)
    sent = server.speech.recognized[0].audio if seconds == 1 else b"".join(server.speech.audio)
    assert sent == samples.tobytes()
    config = server.speech.recognized[0].audio_config if seconds == 1 else server.speech.configs[0].audio
    assert config == pb.AudioConfig(encoding="LINEAR16", sample_rate_hz=16_000, channels=2)
    assert transcript.text == TEXT


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({}, "give sample_rate_hz"), ({"sample_rate_hz": 8000, "channels": 3}, "channels=3 does not fit")],
)
def test_an_array_that_is_not_told_of_is_refused(caller: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(hearken.AudioError, match=sentence):
        caller.transcribe("127.0.0.1:1", np.zeros((10, 2), np.int16), **options)


def test_channels_of_a_flat_array_are_interleaved(server: Any, caller: Any) -> None:
    caller.stream(server.address, np.zeros(10, np.int16), sample_rate_hz=8000, channels=2)
    assert server.speech.configs[0].audio.channels == 2


def test_compressed_audio_is_sent_as_it_is(server: Any, caller: Any, tmp_path: Any) -> None:
    path = tmp_path / "talk.flac"
    path.write_bytes(b"fLaC and so on" * 5000)
    transcript = caller.transcribe(server.address, path, encoding=hearken.Encoding.FLAC)
    assert b"".join(server.speech.audio) == path.read_bytes()
    assert server.speech.configs[0].audio == pb.AudioConfig(encoding="FLAC")
    assert (transcript.text, transcript.audio_s) == (TEXT, 4.0)


def test_what_cannot_be_iterated_over_is_refused(server: Any, caller: Any) -> None:
    with pytest.raises(hearken.AudioError, match="not int"):
        caller.stream(server.address, 7)


def test_an_asynchronous_iterable_needs_the_asynchronous_client(server: Any, make_async: Any) -> None:
    with hearken.Client(server.address) as client, pytest.raises(hearken.AudioError, match="AsyncClient"):
        list(client.stream(make_async([b"\0\0"]), sample_rate_hz=16_000))


def test_what_the_audio_raises_comes_out_and_ends_the_call(
    server: Any, caller: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class OutOfBattery(Exception):
        pass

    def audio() -> Iterator[bytes]:
        yield b"\0\0"
        _wait_until(lambda: server.speech.audio)
        raise OutOfBattery

    with pytest.raises(OutOfBattery):
        caller.stream(server.address, audio(), sample_rate_hz=16_000)
    _wait_until(lambda: not server.speech.contexts[0].is_active())
    assert not caplog.records


def test_a_server_may_end_before_the_audio_does(server: Any, caller: Any, make_final: Any) -> None:
    def first_utterance(requests: Any, context: Any) -> Any:
        next(requests)
        yield make_final("that is enough")

    def endless() -> Iterator[bytes]:
        while True:
            time.sleep(0.01)
            yield bytes(320)

    server.speech.script = first_utterance
    (result,) = caller.stream(server.address, endless(), sample_rate_hz=16_000)
    assert result.text == "that is enough"


def test_results_before_an_error_are_given_first(server: Any, make_final: Any) -> None:
    def fail(requests: Any, context: Any) -> Any:
        yield make_final("so far")
        context.abort(grpc.StatusCode.INTERNAL, "out of memory")

    server.speech.script = fail
    with hearken.Client(server.address) as client:
        results = client.stream([b"\0\0"], sample_rate_hz=16_000)
        assert next(results).text == "so far"
        with pytest.raises(hearken.ServerError, match="out of memory"):
            next(results)


def test_a_server_that_dies_is_a_failed_connection(start_server: Any, caller: Any) -> None:
    server = start_server()

    def endless() -> Iterator[bytes]:
        while True:
            time.sleep(0.01)
            yield bytes(320)

    def die_after_a_while() -> None:
        _wait_until(lambda: len(server.speech.audio) > 5)
        server.stop()

    thread = threading.Thread(target=die_after_a_while)
    thread.start()
    with pytest.raises(hearken.ConnectionFailed):
        caller.stream(server.address, endless(), connection={"reconnect": None}, sample_rate_hz=16_000)
    thread.join()


@pytest.mark.parametrize("verb", ["stream", "transcribe", "models"])
def test_nothing_listens(caller: Any, verb: str) -> None:
    arguments = [] if verb == "models" else [b"\0\0"]
    options = {} if verb == "models" else {"sample_rate_hz": 16_000}
    server = f"127.0.0.1:{_free_port()}"
    with pytest.raises(hearken.ConnectionFailed, match=f"^no Hearken server answers at {server}; .* `make serve`$"):
        getattr(caller, verb)(server, *arguments, **options)


def test_something_listens_and_never_answers(caller: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"127.0.0.1:{silent.getsockname()[1]}"
        started_s = time.monotonic()
        with pytest.raises(hearken.ConnectionFailed, match=f"no Hearken server answers at {server}"):
            caller.stream(server, [b"\0\0"], connection={"connect_timeout_s": 0.3}, sample_rate_hz=16_000)
        assert time.monotonic() - started_s < PATIENCE_S


def test_a_call_may_take_so_long_and_no_longer(server: Any, caller: Any) -> None:
    def never(requests: Any, context: Any) -> Any:
        _wait_until(lambda: not context.is_active())
        yield from ()

    server.speech.script = never
    with pytest.raises(hearken.DeadlineExceeded):
        caller.stream(server.address, [b"\0\0"], sample_rate_hz=16_000, timeout_s=0.2)


def test_audio_is_taken_only_as_fast_as_the_server_takes_it(server: Any, caller: Any) -> None:
    taken_bytes = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken_bytes
        while True:
            taken_bytes += 32_000
            yield bytes(32_000)

    def read_nothing(requests: Any, context: Any) -> Any:
        time.sleep(0.5)
        yield from ()

    server.speech.script = read_nothing
    caller.stream(server.address, endless(), sample_rate_hz=16_000)
    assert taken_bytes < 8_000_000


def test_an_abandoned_stream_is_cancelled(server: Any, make_interim: Any) -> None:
    server.speech.script = lambda requests, context: itertools.repeat(make_interim("good"))
    with hearken.Client(server.address) as client:
        results = client.stream([b"\0\0"], sample_rate_hz=16_000)
        next(results)
        results.close()
        _wait_until(lambda: not server.speech.contexts[0].is_active())


def test_an_abandoned_asynchronous_stream_is_cancelled(server: Any, make_interim: Any) -> None:
    server.speech.script = lambda requests, context: itertools.repeat(make_interim("good"))

    async def call() -> None:
        async with hearken.AsyncClient(server.address) as client:
            results = client.stream([b"\0\0"], sample_rate_hz=16_000)
            await anext(results)
            await results.aclose()
            await asyncio.to_thread(_wait_until, lambda: not server.speech.contexts[0].is_active())

    asyncio.run(call())


def test_a_cancelled_task_stays_cancelled(server: Any, make_async: Any) -> None:
    async def silence() -> Any:
        await asyncio.Event().wait()
        yield b""

    async def call() -> None:
        async with hearken.AsyncClient(server.address) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    async for _ in client.stream(silence(), sample_rate_hz=16_000):
                        pass
            assert await client.models()

    asyncio.run(call())


def test_closing_a_client_ends_its_streams(server: Any, make_interim: Any) -> None:
    server.speech.script = lambda requests, context: itertools.repeat(make_interim("good"))
    client = hearken.Client(server.address)
    results = client.stream([b"\0\0"], sample_rate_hz=16_000)
    next(results)
    client.close()
    with pytest.raises(hearken.ConnectionFailed):
        list(results)
    with pytest.raises(RuntimeError, match="closed"):
        client.models()


def test_closing_an_asynchronous_client_ends_its_streams(server: Any, make_interim: Any) -> None:
    server.speech.script = lambda requests, context: itertools.repeat(make_interim("good"))

    async def call() -> None:
        client = hearken.AsyncClient(server.address)
        results = client.stream([b"\0\0"], sample_rate_hz=16_000)
        await anext(results)
        await client.close()
        with pytest.raises(hearken.ConnectionFailed):
            [result async for result in results]
        with pytest.raises(RuntimeError, match="closed"):
            await client.models()

    asyncio.run(call())


def test_whole_requests_are_tried_again(server: Any, caller: Any) -> None:
    server.speech.unary_failures = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE]
    assert caller.models(server.address)
    assert len(server.speech.contexts) == 3


def test_progress_is_told_while_a_long_recording_is_recognized(server: Any, caller: Any) -> None:
    heard_s: list[float] = []
    caller.transcribe(server.address, iter([bytes(200_000)]), progress=heard_s.append, sample_rate_hz=16_000)
    assert heard_s == [0.0, 0.75, 1.5, 4.0]


def test_one_client_serves_many_threads(server: Any) -> None:
    texts: list[str] = []
    with hearken.Client(server.address) as client:
        threads = [
            threading.Thread(target=lambda: texts.append(client.transcribe(b"\0\0" * 100, sample_rate_hz=16_000).text))
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert texts == [TEXT] * 5


def test_clients_show_where_they_lead_and_no_secret() -> None:
    assert repr(hearken.AsyncClient("host:1", token="secret")) == "<AsyncClient host:1>"
    client = hearken.Client("host:1", token="secret")
    client.close()
    assert repr(client) == "<Client host:1 closed>"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _wait_until(condition: Any) -> None:
    limit_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit_s, "waited too long"
        time.sleep(0.01)


def test_an_encoding_that_is_none_is_refused_with_those_that_there_are(server: Any) -> None:
    with (
        hearken.Client(server.address) as client,
        pytest.raises(hearken.InvalidRequest, match=r"encoding is 'LINEAR16'; use one of Encoding\.LINEAR16, "),
    ):
        client.transcribe(b"", encoding="LINEAR16")  # type: ignore[arg-type]
