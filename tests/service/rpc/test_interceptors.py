"""Tokens over a real connection: who gets in, who is told what, and that nothing secret is logged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

import hearken
from hearken.v1 import speech_pb2 as pb
from service.tokens import Scope, create_token

pytestmark = pytest.mark.asyncio

CONFIG = pb.StreamingRecognizeRequest(
    config=pb.StreamingConfig(audio=pb.AudioConfig(encoding=pb.AudioConfig.LINEAR16, sample_rate_hz=16000))
)
LIST = pb.ListModelsRequest()
AT_A_TIME = 50
"""Calls in flight; a connection has room for 100."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A tokens file; empty, so nobody may do anything yet."""
    path = tmp_path / "tokens.toml"
    path.touch()
    return path


@pytest.fixture
def make_token(file: Path) -> Callable[..., str]:
    """`make_token("alice", Scope.RECOGNIZE, max_streams=1)`; without scopes it may do everything."""

    def make_token(
        name: str, *scopes: Scope, max_streams: int | None = None, audio_seconds_per_minute: float | None = None
    ) -> str:
        return create_token(file, name, frozenset(scopes or Scope), max_streams, audio_seconds_per_minute)

    return make_token


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def test_the_sdk_gets_in_with_a_token_and_is_named_in_the_log(
    serve: Any, fakes: Any, file: Path, make_token: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    token = make_token("alice")
    with caplog.at_level("DEBUG"):
        async with serve(tokens_file=str(file)) as running:
            async with hearken.AsyncClient(f"127.0.0.1:{running.server.port}", token=token) as client:
                assert (await client.models())[0].name == "fake"
                assert (await client.transcribe([fakes.SPEECH], sample_rate_hz=16000)).text == "w1"
                results = [result async for result in client.stream([fakes.SPEECH], sample_rate_hz=16000)]
                assert results[-1].text == "w1"
            for wrong in (None, token[:-1]):
                async with hearken.AsyncClient(f"127.0.0.1:{running.server.port}", token=wrong) as client:
                    with pytest.raises(hearken.AuthenticationFailed) as raised:
                        await client.models()
                    assert raised.value.status == "UNAUTHENTICATED"
    assert "alice at 127.0.0.1" in caplog.text
    assert token.removeprefix("hearken_")[:20] not in caplog.text
    assert "sha256" not in caplog.text


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", ""),),
        (("authorization", "Bearer"),),
        (("authorization", "Bearer "),),
        (("authorization", "Basic YWxpY2U6c2VjcmV0"),),
        (("authorization", "Bearer wrong"),),
        (("x-authorization", "Bearer {token}"),),
        (("authorization", "{token}"),),
        (("authorization", "Bearer {token}"), ("authorization", "Bearer {token}")),
    ],
)
async def test_without_one_known_bearer_token_every_call_is_unauthenticated_without_waiting_for_a_message(
    serve: Any, end_of: Any, file: Path, make_token: Callable[..., str], metadata: Any
) -> None:
    token = make_token("alice")
    sent = tuple((key, value.format(token=token)) for key, value in metadata)
    async with serve(tokens_file=str(file)) as running, asyncio.timeout(5):
        stub, channel = running.stub, running.channel
        silent = stub.StreamingRecognize(metadata=sent)
        unknown = channel.unary_unary("/hearken.v1.Speech/Other")(b"", metadata=sent)
        for call in (silent, stub.Recognize(pb.RecognizeRequest(), metadata=sent), stub.ListModels(LIST), unknown):
            code, details = await end_of(call)
            assert code is grpc.StatusCode.UNAUTHENTICATED
            assert "token" in details and token not in details
        assert running.metric("hearken_streams_refused_total", reason="unauthenticated") == 4
        assert running.metric("hearken_errors_total", status="UNAUTHENTICATED") == 4


async def test_the_scheme_may_be_written_in_any_case(serve: Any, file: Path, make_token: Callable[..., str]) -> None:
    token = make_token("alice")
    async with serve(tokens_file=str(file)) as running:
        assert await running.stub.ListModels(LIST, metadata=(("authorization", f"bEARER  {token}"),))


async def test_a_token_may_come_as_the_api_key_of_googles_clients_but_not_twice(
    serve: Any, end_of: Any, file: Path, make_token: Callable[..., str]
) -> None:
    token = make_token("alice")
    key = ("x-goog-api-key", token)
    async with serve(tokens_file=str(file)) as running:
        assert await running.stub.ListModels(LIST, metadata=(key,))
        for metadata in ((("x-goog-api-key", "wrong"),), (key, *bearer(token)), (key, key)):
            assert (await end_of(running.stub.ListModels(LIST, metadata=metadata)))[
                0
            ] is grpc.StatusCode.UNAUTHENTICATED


async def test_a_scope_opens_its_own_calls_only(
    serve: Any, end_of: Any, file: Path, make_token: Callable[..., str]
) -> None:
    listens, looks = make_token("listens", Scope.RECOGNIZE), make_token("looks", Scope.LIST_MODELS)
    async with serve(tokens_file=str(file)) as running:
        stub = running.stub
        assert await stub.ListModels(LIST, metadata=bearer(looks))
        code, details = await end_of(stub.ListModels(LIST, metadata=bearer(listens)))
        assert code is grpc.StatusCode.PERMISSION_DENIED and "'listens' lacks the scope list_models" in details
        assert (await end_of(stub.StreamingRecognize(iter([CONFIG]), metadata=bearer(listens))))[0] is (
            grpc.StatusCode.OK
        )
        for call in (
            stub.StreamingRecognize(metadata=bearer(looks)),
            stub.Recognize(pb.RecognizeRequest(), metadata=bearer(looks)),
            running.channel.unary_unary("/some.other.Service/Method")(b"", metadata=bearer(looks)),
        ):
            code, details = await end_of(call)
            assert code is grpc.StatusCode.PERMISSION_DENIED and "lacks the scope recognize" in details
        other = running.channel.unary_unary("/some.other.Service/Method")(b"", metadata=bearer(listens))
        assert (await end_of(other))[0] is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("settings", "health_is_open", "reflection_is_open"),
    [
        ({}, True, False),
        ({"open_health": False, "open_reflection": True}, False, True),
        ({"tokens_file": ""}, True, True),
    ],
    ids=["default", "the other way round", "without tokens"],
)
async def test_health_and_reflection_are_open_as_the_settings_say(
    settings: dict[str, Any],
    health_is_open: bool,
    reflection_is_open: bool,
    serve: Any,
    end_of: Any,
    file: Path,
    make_token: Callable[..., str],
) -> None:
    token = make_token("looks", Scope.LIST_MODELS)
    ask = ServerReflectionRequest(list_services="")
    async with serve(**{"tokens_file": str(file), **settings}) as running:
        for metadata, is_known in (((), False), (bearer(token), True)):
            health = HealthStub(running.channel).Check(HealthCheckRequest(), metadata=metadata)
            listing = ServerReflectionStub(running.channel).ServerReflectionInfo(iter([ask]), metadata=metadata)
            for call, is_open in ((health, health_is_open), (listing, reflection_is_open)):
                code, _ = await end_of(call)
                expected = grpc.StatusCode.OK if is_open or is_known else grpc.StatusCode.UNAUTHENTICATED
                assert code is expected


async def test_changes_of_the_file_hold_for_the_next_request_and_a_bad_change_for_none(
    serve: Any, end_of: Any, file: Path, make_token: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(tokens_file=str(file)) as running:

        async def code_with(token: str) -> grpc.StatusCode:
            code, _ = await end_of(running.stub.ListModels(LIST, metadata=bearer(token)))
            return code  # type: ignore[no-any-return]

        alice = make_token("alice")
        assert await code_with(alice) is grpc.StatusCode.OK
        good = file.read_text()
        file.write_text(good[: len(good) // 2])
        for _ in range(3):
            assert await code_with(alice) is grpc.StatusCode.OK
        assert caplog.text.count("what was read before stays in force") == 1
        file.write_text("")
        bob = make_token("bob")
        assert await code_with(bob) is grpc.StatusCode.OK
        assert await code_with(alice) is grpc.StatusCode.UNAUTHENTICATED


async def test_a_token_with_its_streams_in_use_is_told_when_to_come_back(
    serve: Any, fakes: Any, file: Path, make_token: Callable[..., str]
) -> None:
    async with serve(tokens_file=str(file)) as running:
        server, token = f"127.0.0.1:{running.server.port}", make_token("alice", max_streams=1)
        call = running.stub.StreamingRecognize(metadata=bearer(token))
        await call.write(CONFIG)
        assert (await call.read()).stream_id
        async with hearken.AsyncClient(server, token=token) as client:
            with pytest.raises(hearken.ServerBusy, match="this token may have 1 streams") as raised:
                await client.transcribe([fakes.SPEECH], sample_rate_hz=16000)
            assert raised.value.retry_after_s == 5.0
        async with hearken.AsyncClient(server, token=make_token("bob")) as client:
            assert (await client.transcribe([fakes.SPEECH], sample_rate_hz=16000)).text == "w1"


async def test_a_token_that_has_used_up_its_audio_gets_the_results_of_it_and_is_told_when_to_come_back(
    serve: Any, fakes: Any, file: Path, make_token: Callable[..., str]
) -> None:
    async with serve(tokens_file=str(file)) as running:
        token = make_token("alice", audio_seconds_per_minute=0.75)
        async with hearken.AsyncClient(f"127.0.0.1:{running.server.port}", token=token) as client:
            results = []
            with pytest.raises(hearken.ServerBusy, match=r"its 0.75 s of audio a minute") as raised:
                async for result in client.stream([fakes.SPEECH] * 20, sample_rate_hz=16000, interim_results=False):
                    results.append(result)
            words = results[-1].text.split()
            assert results[-1].is_final and 3 <= len(words) < 20
            assert raised.value.retry_after_s is not None and raised.value.retry_after_s > 5
            with pytest.raises(hearken.ServerBusy):
                await client.transcribe([fakes.SPEECH], sample_rate_hz=16000)
        assert running.metric("hearken_streams_refused_total", reason="quota") == 2


async def test_a_thousand_wrong_tokens_do_not_disturb_a_stream(
    serve: Any, end_of: Any, fakes: Any, file: Path, make_token: Callable[..., str]
) -> None:
    async with serve(tokens_file=str(file), late_refusal_s=0.1) as running:
        call = running.stub.StreamingRecognize(metadata=bearer(make_token("alice")))
        await call.write(CONFIG)
        assert (await call.read()).stream_id
        places = asyncio.Semaphore(AT_A_TIME)

        async def with_wrong_token(number: int) -> grpc.StatusCode:
            async with places:
                code, _ = await end_of(running.stub.ListModels(LIST, metadata=bearer(f"wrong{number}")))
                return code

        wrong = [with_wrong_token(number) for number in range(1000)]
        await call.write(pb.StreamingRecognizeRequest(audio=fakes.SPEECH))
        assert set(await asyncio.gather(*wrong)) == {grpc.StatusCode.UNAUTHENTICATED}
        await call.done_writing()
        assert (await call.read()).results[0].is_final
        assert await call.code() is grpc.StatusCode.OK
