"""The three calls, over a real connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from types import ModuleType
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from hearken.v1 import speech_pb2 as pb
from service.errors import StartError

pytestmark = pytest.mark.asyncio

LINEAR16 = pb.AudioConfig(encoding=pb.AudioConfig.LINEAR16, sample_rate_hz=16000)
Request = pb.StreamingRecognizeRequest


def config(**fields: Any) -> pb.StreamingRecognizeRequest:
    return Request(config=pb.StreamingConfig(**{"audio": LINEAR16, **fields}))


def audio(*pieces: bytes) -> list[pb.StreamingRecognizeRequest]:
    return [Request(audio=piece) for piece in pieces]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def open_stream(stub: Any) -> Any:
    """A stream that has been let in and stays."""
    call = stub.StreamingRecognize()
    await call.write(config())
    first = await call.read()
    assert first.model == "fake"
    return call


async def test_the_dialogue_of_the_protocol(serve: Any, fakes: ModuleType) -> None:
    async with serve() as running:
        call = running.stub.StreamingRecognize()
        await call.write(config(interim_results=True, recognition=pb.RecognitionConfig(word_info=True)))
        first = await call.read()
        assert first.model == "fake" and first.stream_id and first.HasField("clock") and not first.results

        for text in ("w1", "w1 w2"):
            half = len(fakes.SPEECH) // 2 + 1
            await call.write(Request(audio=fakes.SPEECH[:half]))
            await call.write(Request(audio=fakes.SPEECH[half:]))
            response = await call.read()
            assert [result.alternatives[0].transcript for result in response.results] == [text]
            assert not response.results[0].is_final and response.results[0].stability == 0.5
            assert not response.model and not response.stream_id
        assert (response.clock.received_s, response.clock.recognized_s) == (0.5, 0.5)

        await call.write(Request(audio=fakes.SILENCE))
        final = (await call.read()).results[0]
        assert final.is_final and final.alternatives[0].transcript == "w1 w2" and final.language == "en-US"
        assert [(word.word, word.start_s, word.end_s) for word in final.alternatives[0].words] == [
            ("w1", 0.0, 0.25),
            ("w2", 0.25, 0.5),
        ]

        await call.write(Request(audio=fakes.SPEECH))
        assert (await call.read()).results[0].alternatives[0].transcript == "w4"
        await call.done_writing()
        last = (await call.read()).results[0]
        assert last.is_final and last.utterance == 1
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
        await until(lambda: running.metric("hearken_streams_active") == 0)
        assert running.metric("hearken_audio_seconds_total") == 1.0
        assert running.metric("hearken_results_total", kind="final") == 2
        assert running.metric("hearken_results_total", kind="interim") == 3
        assert running.metric("hearken_streams_total", method="StreamingRecognize") == 1


async def test_without_interim_results_only_final_ones_are_sent(serve: Any, fakes: ModuleType) -> None:
    async with serve() as running:
        requests = [config(), *audio(fakes.SPEECH, b"", fakes.SPEECH)]
        responses = [response async for response in running.stub.StreamingRecognize(iter(requests))]
        assert [[result.is_final for result in response.results] for response in responses] == [[], [True]]


async def test_recognize_gives_the_finals_of_the_stream(serve: Any, fakes: ModuleType) -> None:
    recording = fakes.SPEECH * 5 + fakes.SILENCE + fakes.SPEECH * 2
    async with serve() as running:
        whole = await running.stub.Recognize(pb.RecognizeRequest(audio_config=LINEAR16, audio=recording))
        requests = [config(interim_results=True), *audio(recording)]
        responses = [response async for response in running.stub.StreamingRecognize(iter(requests))]
        finals = [result for response in responses for result in response.results if result.is_final]
        assert list(whole.results) == finals and len(finals) == 2
        assert (whole.model, whole.audio_s) == ("fake", 2.0)


async def test_speech_events_come_by_themselves_and_in_their_place(serve: Any, fakes: ModuleType) -> None:
    async with serve() as running:
        requests = [config(speech_events=True), *audio(fakes.SILENCE, fakes.SPEECH, fakes.SPEECH, fakes.SILENCE)]
        responses = [response async for response in running.stub.StreamingRecognize(iter(requests))]
    _, begin, end, final = responses
    assert (begin.event.type, begin.event.time_s) == (pb.SpeechEvent.SPEECH_BEGIN, 0.25)
    assert (end.event.type, end.event.time_s) == (pb.SpeechEvent.END_OF_UTTERANCE, 0.75)
    assert not begin.results and end.clock.received_s == 1.0
    assert final.results[0].is_final and not final.HasField("event")


async def test_a_single_utterance_ends_the_stream_while_the_caller_still_sends(serve: Any, fakes: ModuleType) -> None:
    async with serve() as running:
        call = running.stub.StreamingRecognize()
        await call.write(config(endpointing=pb.EndpointingConfig(single_utterance=True)))
        await call.write(Request(audio=fakes.SPEECH + fakes.SILENCE + fakes.SPEECH * 3 + fakes.SILENCE))
        responses = [response async for response in call]
        assert await call.code() is grpc.StatusCode.OK
        assert [result.alternatives[0].transcript for response in responses for result in response.results] == ["w1"]
        assert running.metric("hearken_streams_active") == 0


async def test_a_caller_chooses_among_models_by_name(serve: Any, fakes: ModuleType) -> None:
    def load(settings: Any) -> Any:
        recognizer = fakes.FakeRecognizer()
        recognizer.name = settings.model
        return recognizer

    async with serve(load=load, model="first", models="second, third") as running:
        listed = (await running.stub.ListModels(pb.ListModelsRequest())).models
        assert [model.name for model in listed] == ["first", "second", "third"]
        for wanted, used in (("", "first"), ("first", "first"), ("third", "third")):
            recognition = pb.RecognitionConfig(model=wanted)
            requests = [config(recognition=recognition), *audio(fakes.SPEECH)]
            responses = [response async for response in running.stub.StreamingRecognize(iter(requests))]
            assert responses[0].model == used
            whole = pb.RecognizeRequest(audio_config=LINEAR16, audio=fakes.SPEECH, recognition=recognition)
            assert (await running.stub.Recognize(whole)).model == used


async def test_two_models_of_one_name_are_refused_at_the_start(serve: Any) -> None:
    with pytest.raises(StartError, match="two models are called 'fake'"):
        async with serve(models="another"):
            pass


async def test_list_models_says_what_the_card_says(serve: Any) -> None:
    async with serve(default_latency_ms=320) as running:
        (model,) = (await running.stub.ListModels(pb.ListModelsRequest())).models
        assert (model.name, model.language, model.sample_rate_hz) == ("fake", "en-US", 16000)
        assert list(model.latencies) == [pb.LATENCY_160_MS, pb.LATENCY_320_MS, pb.LATENCY_640_MS]
        assert model.default_latency == pb.LATENCY_320_MS
        assert "word_info" in model.features
        assert [(rate.test_set, rate.percent) for rate in model.word_error_rates] == [("made-up test", 12.5)]


BAD_DIALOGUES = {
    "nothing at all": ([], "config: the stream ended without it"),
    "audio before config": (audio(b"\x00\x00"), "audio: came before config"),
    "an empty first message": ([Request()], "config: the first message is empty"),
    "a second config": ([config(), *audio(b"\x00\x00"), config()], "config: came a second time"),
    "an empty later message": ([config(), Request()], "audio: the message is empty"),
    "too much in one message": ([config(), *audio(bytes(2048))], "send at most 1024 in one message"),
    "an unknown encoding": ([config(audio=pb.AudioConfig(encoding=99))], "config.audio.encoding: this server"),  # type: ignore[arg-type]
    "a rate too low": ([config(audio=pb.AudioConfig(sample_rate_hz=4000))], "choose 8000 to 48000"),
    "no rate for raw audio": (
        [config(audio=pb.AudioConfig(encoding=1)), *audio(b"\x00")],
        "the sample rate is missing",
    ),  # type: ignore[arg-type]
    "an odd number of bytes": ([config(), *audio(b"\x00" * 3)], "in the middle of a sample"),
    "what the model refuses": ([config(audio=pb.AudioConfig(encoding=3))], "does not know A-law"),  # type: ignore[arg-type]
    "an unknown model": (
        [config(recognition=pb.RecognitionConfig(model="none"))],
        "config.recognition.model: there is",
    ),
    "a field from the future": ([Request.FromString(b"\xc0\x3e\x01")], "request: its field number 1000"),
}


@pytest.mark.parametrize(("requests", "said"), BAD_DIALOGUES.values(), ids=BAD_DIALOGUES)
async def test_a_bad_dialogue_is_an_invalid_argument_and_frees_its_place(
    serve: Any, end_of: Any, requests: list[pb.StreamingRecognizeRequest], said: str
) -> None:
    async with serve(max_streams=1, max_message_bytes=1024) as running:
        code, details = await end_of(running.stub.StreamingRecognize(iter(requests)))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert said in details and "\n" not in details
        assert running.metric("hearken_errors_total", status="INVALID_ARGUMENT") == 1
        await open_stream(running.stub)


BAD_RECORDINGS = {
    "no audio": (pb.RecognizeRequest(audio_config=LINEAR16), "audio: is empty"),
    "too long": (pb.RecognizeRequest(audio_config=LINEAR16, audio=bytes(80_000)), "use StreamingRecognize"),
    "odd bytes": (pb.RecognizeRequest(audio_config=LINEAR16, audio=bytes(3)), "in the middle of a sample"),
    "hints": (
        pb.RecognizeRequest(audio=b"x", recognition=pb.RecognitionConfig(phrase_hints=[pb.PhraseHint()])),
        "recognition.phrase_hints[0].phrase: is empty",
    ),
}


@pytest.mark.parametrize(("request_", "said"), BAD_RECORDINGS.values(), ids=BAD_RECORDINGS)
async def test_a_bad_recording_is_an_invalid_argument(
    serve: Any, end_of: Any, request_: pb.RecognizeRequest, said: str
) -> None:
    async with serve(max_streams=1, max_recording_s=2) as running:
        code, details = await end_of(running.stub.Recognize(request_))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert said in details
        assert running.metric("hearken_streams_active") == 0


async def test_a_message_larger_than_any_allowed_recording_is_refused_by_grpc(
    serve: Any,
    end_of: Any,
) -> None:
    async with serve(max_recording_s=1) as running:
        code, _ = await end_of(running.stub.Recognize(pb.RecognizeRequest(audio=bytes(2_000_000))))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_full_server_says_when_to_come_back_and_has_room_again_later(
    serve: Any, end_of: Any, fakes: ModuleType
) -> None:
    async with serve(max_streams=2) as running:
        first, second = await open_stream(running.stub), await open_stream(running.stub)
        assert running.metric("hearken_streams_active") == 2
        for call in (
            running.stub.StreamingRecognize(iter([config()])),
            running.stub.Recognize(pb.RecognizeRequest(audio_config=LINEAR16, audio=b"\x00\x00")),
        ):
            code, details = await end_of(call)
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "all 2 places of this server are taken; try again in 5 s" in details
        trailers = dict(await call.trailing_metadata())
        status, hint = Status.FromString(trailers["grpc-status-details-bin"]), RetryInfo()
        assert status.details[0].Unpack(hint) and hint.retry_delay.seconds == 5
        assert running.metric("hearken_streams_refused_total", reason="full") == 2
        await first.done_writing()
        assert await first.read() is grpc.aio.EOF
        await until(lambda: running.metric("hearken_streams_active") == 1)
        third = await open_stream(running.stub)
        for call in (second, third):
            await call.write(Request(audio=fakes.SPEECH))
            await call.done_writing()
            assert (await call.read()).results[0].is_final


async def test_a_client_that_vanishes_frees_its_place_and_leaves_the_others_alone(
    serve: Any, fakes: ModuleType
) -> None:
    async with serve(max_streams=2) as running:
        stays = await open_stream(running.stub)
        await stays.write(Request(audio=fakes.SPEECH))
        for vanish_during_audio in (True, False):
            gone = await open_stream(running.stub)
            if vanish_during_audio:
                await gone.write(Request(audio=fakes.SPEECH[:100]))
            gone.cancel()
            await until(lambda: running.metric("hearken_streams_active") == 1)
        await stays.write(Request(audio=fakes.SPEECH))
        await stays.done_writing()
        assert (await stays.read()).results[0].alternatives[0].transcript == "w1 w2"
        assert await stays.code() is grpc.StatusCode.OK
        assert running.metric("hearken_errors_total", status="CANCELLED") == 2


async def test_a_client_whose_connection_breaks_during_its_step_frees_its_place_when_the_step_is_over(
    serve: Any, fakes: ModuleType
) -> None:
    let_go = threading.Event()
    recognizer = fakes.FakeRecognizer(before_advance=lambda streams: let_go.wait(5))
    async with serve(recognizer) as running:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{running.server.port}")
        call = await open_stream(type(running.stub)(channel))
        await call.write(Request(audio=fakes.SPEECH))
        await until(lambda: len(recognizer.batches) == 1)
        await channel.close()
        await asyncio.sleep(0.05)
        let_go.set()
        await until(lambda: running.metric("hearken_streams_active") == 0)
        assert not recognizer.streams[0].misused


async def test_an_unexpected_error_ends_its_own_stream_only_and_is_logged_under_its_id(
    serve: Any, end_of: Any, fakes: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    def before_advance(streams: Sequence[Any]) -> None:
        if any(stream is recognizer.streams[1] for stream in streams):
            raise ZeroDivisionError("a bug in the model")

    recognizer = fakes.FakeRecognizer(before_advance)
    async with serve(recognizer) as running:
        good, bad = await open_stream(running.stub), await open_stream(running.stub)
        await asyncio.gather(*(call.write(Request(audio=fakes.SPEECH)) for call in (good, bad)))
        code, details = await end_of(bad)
        assert code is grpc.StatusCode.INTERNAL
        stream_id = details.rpartition(" ")[2]
        assert "a bug in the model" not in details
        assert f"stream {stream_id}: failed" in caplog.text and "a bug in the model" in caplog.text
        await good.done_writing()
        assert (await good.read()).results[0].is_final
        assert await good.code() is grpc.StatusCode.OK


async def test_many_streams_share_batches_and_none_is_mixed_up(serve: Any, fakes: ModuleType) -> None:
    async def speak(words: int) -> str:
        async def requests() -> AsyncIterator[pb.StreamingRecognizeRequest]:
            yield config(interim_results=True)
            for request in audio(*[fakes.SPEECH] * words):
                yield request
                await asyncio.sleep(0)

        call = running.stub.StreamingRecognize(requests())
        responses = [response async for response in call]
        return str(responses[-1].results[0].alternatives[0].transcript)

    recognizer = fakes.FakeRecognizer(before_advance=lambda streams: threading.Event().wait(0.002))
    async with serve(recognizer, max_batch=16) as running:
        texts = await asyncio.gather(*(speak(words) for words in range(1, 31)))
    assert texts == [" ".join(f"w{n}" for n in range(1, words + 1)) for words in range(1, 31)]
    assert not any(stream.misused for stream in recognizer.streams)
    assert 1 < max(recognizer.batches) <= 16
