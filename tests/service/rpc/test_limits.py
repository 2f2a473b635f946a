"""Limits of time and number over a real connection: idle streams, streams of one address, age of a connection."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import pytest

from hearken.v1 import speech_pb2 as pb

pytestmark = pytest.mark.asyncio

LINEAR16 = pb.AudioConfig(encoding=pb.AudioConfig.LINEAR16, sample_rate_hz=16000)
CONFIG = pb.StreamingRecognizeRequest(config=pb.StreamingConfig(audio=LINEAR16))


async def test_a_stream_that_falls_silent_gets_its_final_result_and_then_aborted(
    serve: Any, end_of: Any, fakes: Any
) -> None:
    async with serve(idle_timeout_s=0.3) as running:
        call = running.stub.StreamingRecognize()
        await call.write(CONFIG)
        await call.write(pb.StreamingRecognizeRequest(audio=fakes.SPEECH))
        assert (await call.read()).stream_id
        final = (await call.read()).results[0]
        assert final.is_final and final.alternatives[0].transcript == "w1"
        code, details = await end_of(call)
        assert code is grpc.StatusCode.ABORTED
        assert "nothing was sent for 0.3 s" in details and "open a new one" in details
        assert running.metric("hearken_streams_refused_total", reason="idle") == 1
        assert running.metric("hearken_streams_active") == 0


async def test_a_stream_that_never_says_what_it_wants_is_ended_too(serve: Any, end_of: Any) -> None:
    async with serve(idle_timeout_s=0.2) as running, asyncio.timeout(5):
        code, _ = await end_of(running.stub.StreamingRecognize())
        assert code is grpc.StatusCode.ABORTED


async def test_time_that_the_server_itself_needs_does_not_count_as_idle(serve: Any, fakes: Any) -> None:
    recognizer = fakes.FakeRecognizer(before_advance=lambda streams: time.sleep(0.4))
    async with serve(recognizer, idle_timeout_s=0.2) as running:
        requests = [CONFIG, *[pb.StreamingRecognizeRequest(audio=fakes.SPEECH)] * 2]
        responses = [response async for response in running.stub.StreamingRecognize(iter(requests))]
        assert responses[-1].results[0].alternatives[0].transcript == "w1 w2"


async def test_an_address_has_so_many_streams_over_all_its_connections(serve: Any, end_of: Any, fakes: Any) -> None:
    async with serve(max_streams_per_peer=1) as running:
        call = running.stub.StreamingRecognize()
        await call.write(CONFIG)
        assert (await call.read()).stream_id
        own_connection = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{running.server.port}", own_connection) as channel:
            stub = type(running.stub)(channel)
            request = pb.RecognizeRequest(audio_config=LINEAR16, audio=fakes.SPEECH)
            code, details = await end_of(stub.Recognize(request))
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED and "this address may have 1 streams" in details
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF
            assert (await stub.Recognize(request)).results
        assert running.metric("hearken_streams_refused_total", reason="streams") == 1


async def test_an_old_connection_is_replaced_while_its_stream_finishes(serve: Any, fakes: Any) -> None:
    async with serve(max_connection_age_s=0.5, max_connection_age_grace_s=20) as running, asyncio.timeout(10):
        call = running.stub.StreamingRecognize()
        await call.write(CONFIG)
        assert (await call.read()).stream_id
        assert running.channel.get_state() is grpc.ChannelConnectivity.READY
        await running.channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
        assert (await running.stub.ListModels(pb.ListModelsRequest())).models
        await call.write(pb.StreamingRecognizeRequest(audio=fakes.SPEECH))
        await call.done_writing()
        assert (await call.read()).results[0].is_final
        assert await call.code() is grpc.StatusCode.OK
