"""Bytes that are no message are the caller's fault, not the server's."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from hearken.v1 import speech_pb2 as pb

pytestmark = pytest.mark.asyncio

NOT_UTF8 = pb.RecognitionConfig(model="ab").SerializeToString().replace(b"ab", b"\xff\xfe")
TRUNCATED = pb.AudioConfig(sample_rate_hz=16_000).SerializeToString()[:-1]
CONFIG = pb.StreamingRecognizeRequest(
    config=pb.StreamingConfig(audio=pb.AudioConfig(encoding=pb.AudioConfig.LINEAR16, sample_rate_hz=16_000))
).SerializeToString()


def framed(field: int, data: bytes) -> bytes:
    """The bytes of a message field."""
    return bytes([field << 3 | 2, len(data)]) + data


@pytest.mark.parametrize(
    "requests",
    [
        [framed(1, framed(2, NOT_UTF8))],
        [framed(1, framed(1, TRUNCATED))],
        [b"\xff\xff\xff"],
        [CONFIG, b"\x12\x7f"],
    ],
    ids=["text that is not UTF-8", "a truncated field", "no field", "audio that is shorter than it says"],
)
async def test_a_stream_with_bytes_that_are_no_message_is_an_invalid_argument(
    serve: Any, end_of: Any, requests: list[bytes]
) -> None:
    async with serve(max_streams=1) as running:
        call = running.channel.stream_stream("/hearken.v1.Speech/StreamingRecognize")(iter(requests))
        code, details = await end_of(call)
        assert (code, details.partition(":")[0]) == (grpc.StatusCode.INVALID_ARGUMENT, "request")
        assert running.metric("hearken_streams_active") == 0


@pytest.mark.parametrize("method", ["Recognize", "ListModels"])
async def test_so_is_a_single_message(serve: Any, end_of: Any, method: str) -> None:
    async with serve() as running:
        code, details = await end_of(running.channel.unary_unary(f"/hearken.v1.Speech/{method}")(b"\xff\xff\xff"))
        assert code is grpc.StatusCode.INVALID_ARGUMENT and "is not a message of this call" in details
        assert running.metric("hearken_errors_total", status="INVALID_ARGUMENT") == 1


@pytest.mark.parametrize("method", ["Recognize", "ListModels"])
async def test_a_single_request_that_does_not_come_is_given_up(serve: Any, end_of: Any, method: str) -> None:
    async with serve(idle_timeout_s=0.2) as running, asyncio.timeout(5):
        call = running.channel.stream_unary(f"/hearken.v1.Speech/{method}")()
        code, details = await end_of(call)
        assert code is grpc.StatusCode.ABORTED and "nothing was sent for 0.2 s" in details
        empty = running.channel.stream_unary(f"/hearken.v1.Speech/{method}")(iter([]))
        code, details = await end_of(empty)
        assert code is grpc.StatusCode.INVALID_ARGUMENT and "request: is missing" in details
