"""NVIDIA's own client library, unchanged, against a real server: its example flows."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest
import riva.client
from riva.client.proto import riva_asr_pb2 as rasr
from riva.client.proto.riva_common_pb2 import RequestId

from service.tokens import Scope, create_token

pytestmark = pytest.mark.asyncio

RAW = {"encoding": riva.client.AudioEncoding.LINEAR_PCM, "sample_rate_hertz": 16_000}


def service_of(running: Any, **options: Any) -> riva.client.ASRService:
    return riva.client.ASRService(riva.client.Auth(uri=f"127.0.0.1:{running.server.port}", **options))


def streaming(interim_results: bool = True, **config: Any) -> riva.client.StreamingRecognitionConfig:
    return riva.client.StreamingRecognitionConfig(
        config=riva.client.RecognitionConfig(**{**RAW, **config}), interim_results=interim_results
    )


async def failure_of(call: Any, *arguments: Any, **keywords: Any) -> Any:
    with pytest.raises(grpc.RpcError) as raised:
        await asyncio.to_thread(call, *arguments, **keywords)
    return raised.value


async def test_a_recording_is_recognized(serve: Any, fakes: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """The script transcribe_file_offline.py."""
    config = riva.client.RecognitionConfig(**RAW, language_code="en-US", max_alternatives=2)
    config.enable_word_time_offsets = True
    riva.client.add_word_boosting_to_config(config, ["hearken"], 4.0)
    audio = fakes.SPEECH * 2 + fakes.SILENCE + fakes.SPEECH
    async with serve() as running:
        response = await asyncio.to_thread(service_of(running).offline_recognize, audio, config)
        (options,) = (stream.options for stream in running.recognizer.streams)
    assert [(hint.phrase, hint.boost) for hint in options.phrase_hints] == [("hearken", 4.0)]
    assert options.text.inverse_text_normalization, "Riva's transcripts are not verbatim unless that is asked for"
    first, second = response.results
    assert [own.transcript for own in first.alternatives] == ["w1 w2 ", "other 1 "]
    word = first.alternatives[0].words[1]
    assert (word.word, word.start_time, word.end_time, word.confidence) == ("w2", 250, 500, 0.5)
    assert second.audio_processed == 1.0
    riva.client.print_offline(response)
    assert "Final transcript: w1 w2 w4 \n" in capsys.readouterr().out


async def test_a_file_is_streamed_with_its_header_and_without_a_format(
    serve: Any, fakes: ModuleType, tmp_path: Path
) -> None:
    """The script transcribe_file.py: its iterator reads the file's bytes, and it names neither encoding nor rate."""
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(fakes.SPEECH)
    config = riva.client.StreamingRecognitionConfig(
        config=riva.client.RecognitionConfig(language_code="en-US"), interim_results=True
    )
    shown = io.StringIO()

    def transcribe(service: riva.client.ASRService) -> None:
        with riva.client.AudioChunkFileIterator(path, 1600) as chunks:
            responses = service.streaming_response_generator(audio_chunks=chunks, streaming_config=config)
            riva.client.print_streaming(responses=responses, output_file=shown, show_intermediate=True)

    async with serve() as running:
        await asyncio.to_thread(transcribe, service_of(running))
        (stream,) = running.recognizer.streams
    assert stream.received == path.stat().st_size
    assert ">> w1" in shown.getvalue() and "## w1 " in shown.getvalue()


async def test_a_stream_says_how_far_it_is_and_repeats_the_callers_id(serve: Any, fakes: ModuleType) -> None:
    requests = [
        rasr.StreamingRecognizeRequest(streaming_config=streaming(), id=RequestId(value="mine")),
        *(rasr.StreamingRecognizeRequest(audio_content=piece) for piece in (fakes.SPEECH, fakes.SPEECH)),
    ]
    async with serve() as running:
        stub = service_of(running).stub
        responses = await asyncio.to_thread(lambda: list(stub.StreamingRecognize(iter(requests))))
    assert {response.id.value for response in responses} == {"mine"}
    results = [result for response in responses for result in response.results]
    assert [(own.is_final, own.alternatives[0].transcript) for own in results] == [
        (False, "w1"),
        (False, "w1 w2"),
        (True, "w1 w2 "),
    ]
    assert [own.stability for own in results] == [0.5, 0.5, 1.0]
    assert [own.audio_processed for own in results] == [0.25, 0.5, 0.5]


async def test_models_are_listed_as_the_clients_scripts_read_them(serve: Any) -> None:
    async with serve() as running:
        stub = service_of(running).stub
        listed = await asyncio.to_thread(stub.GetRivaSpeechRecognitionConfig, rasr.RivaSpeechRecognitionConfigRequest())
        unknown = await failure_of(
            stub.GetRivaSpeechRecognitionConfig, rasr.RivaSpeechRecognitionConfigRequest(model_name="none")
        )
    assert [
        (own.model_name, own.parameters["type"], own.parameters["language_code"]) for own in listed.model_config
    ] == [
        ("fake", "online", "en-US"),
        ("fake", "offline", "en-US"),
    ]
    assert unknown.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert unknown.details() == "model_name: there is no model 'none' here; this server has 'fake'"


async def test_endpointing_arrives_as_it_is_defined(serve: Any, fakes: ModuleType) -> None:
    config = streaming()
    riva.client.add_endpoint_parameters_to_config(config, 240, 0.3, 400, 160, 0.9, 0.8)
    async with serve() as running:
        service = service_of(running)
        await asyncio.to_thread(lambda: list(service.streaming_response_generator([fakes.SPEECH], config)))
        blanks = running.recognizer.streams[0].options.endpointing.blanks
        assert blanks is not None
        assert (blanks.start_history_s, blanks.start_threshold) == (0.24, 0.3)
        assert (blanks.stop_history_s, blanks.stop_threshold) == (0.4, 0.9)
        assert (blanks.first_stop_history_s, blanks.first_stop_threshold) == (0.16, 0.8)

        config.config.endpointing_config.stop_history_eou = 400
        failure = await failure_of(lambda: list(service.streaming_response_generator([], config)))
        assert "endpointing_config.stop_history_eou: is not smaller than stop_history" in failure.details()


async def test_what_is_not_supported_is_refused_by_name(serve: Any, fakes: ModuleType) -> None:
    diarizing, configured = riva.client.RecognitionConfig(**RAW), riva.client.RecognitionConfig(**RAW)
    riva.client.add_speaker_diarization_to_config(diarizing, True, 2)
    riva.client.add_custom_configuration_to_config(configured, "key:value")
    async with serve() as running:
        service = service_of(running)
        for config, said in (
            (diarizing, "config.diarization_config.enable_speaker_diarization: this server does not honor it"),
            (configured, "config.custom_configuration: this server does not honor it"),
            (
                riva.client.RecognitionConfig(sample_rate_hertz=4_000),
                "sample_rate_hertz: is 4000; choose 8000 to 48000",
            ),
            (riva.client.RecognitionConfig(**RAW, language_code="tlh"), "language_code: model 'fake' speaks 'en-US'"),
        ):
            failure = await failure_of(service.offline_recognize, fakes.SPEECH, config)
            assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert said in failure.details()

        for requests, said in (
            ([], "streaming_config: the first message must hold it"),
            ([rasr.StreamingRecognizeRequest(streaming_config=streaming())] * 2, "audio_content: is missing"),
            (
                [
                    rasr.StreamingRecognizeRequest(streaming_config=streaming()),
                    rasr.StreamingRecognizeRequest(audio_content=b"", runtime_config={"a": "b"}),
                ],
                "runtime_config: this server does not honor it",
            ),
        ):
            failure = await failure_of(lambda own: list(service.stub.StreamingRecognize(iter(own))), requests)
            assert failure.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert said in failure.details()


async def test_a_token_that_may_only_list_models_lists_models(serve: Any, fakes: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    token = create_token(file, "alice", frozenset({Scope.LIST_MODELS}), None, None)
    metadata = [["authorization", f"Bearer {token}"]]
    config = riva.client.RecognitionConfig(**RAW)
    async with serve(tokens_file=str(file)) as running:
        service = service_of(running, metadata_args=metadata)

        def listed() -> Iterator[Any]:
            request = rasr.RivaSpeechRecognitionConfigRequest()
            yield service.stub.GetRivaSpeechRecognitionConfig(request, metadata=service.auth.get_auth_metadata())

        assert len((await asyncio.to_thread(next, listed())).model_config) == 2
        failure = await failure_of(service.offline_recognize, fakes.SPEECH, config)
        assert failure.code() is grpc.StatusCode.PERMISSION_DENIED
