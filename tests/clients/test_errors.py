"""Every way in which gRPC can fail becomes one of the library's own errors."""

from __future__ import annotations

import re
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration

import hearken
from hearken import _errors

FAILURES = [status for status in grpc.StatusCode if status is not grpc.StatusCode.OK]


@pytest.mark.parametrize("status", FAILURES, ids=lambda status: status.name)
def test_each_status_becomes_an_error_that_keeps_its_sentence_and_status(
    server: Any, caller: Any, status: grpc.StatusCode
) -> None:
    def refuse(requests: Any, context: grpc.ServicerContext) -> Any:
        context.abort(status, "choose another one")

    server.speech.script = refuse
    with pytest.raises(_errors.ERROR_OF_STATUS[status], match="choose another one") as raised:
        caller.stream(server.address, [b"\0\0"], connection={"reconnect": None}, sample_rate_hz=16_000)
    assert raised.value.status == status.name
    assert not isinstance(raised.value, grpc.RpcError)


@pytest.mark.parametrize(
    "status",
    [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED],
    ids=lambda status: status.name,
)
def test_unary_calls_fail_with_the_same_errors(server: Any, caller: Any, status: grpc.StatusCode) -> None:
    server.speech.unary_failures = [status]
    with pytest.raises(_errors.ERROR_OF_STATUS[status]):
        caller.models(server.address)


def test_a_busy_server_says_when_to_come_back(server: Any, caller: Any) -> None:
    def refuse(requests: Any, context: grpc.ServicerContext) -> Any:
        context.set_trailing_metadata(
            (("grpc-status-details-bin", _status_with_retry_info(Duration(seconds=1, nanos=500_000_000))),)
        )
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "all places are taken")

    server.speech.script = refuse
    with pytest.raises(hearken.ServerBusy) as raised:
        caller.stream(server.address, [b"\0\0"], sample_rate_hz=16_000)
    assert raised.value.retry_after_s == 1.5


@pytest.mark.parametrize("details", [None, b"\xff\xff not a message"])
def test_a_busy_server_need_not_say_when_to_come_back(server: Any, details: bytes | None) -> None:
    def refuse(requests: Any, context: grpc.ServicerContext) -> Any:
        if details is not None:
            context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "all places are taken")

    server.speech.script = refuse
    with hearken.Client(server.address) as client, pytest.raises(hearken.ServerBusy) as raised:
        list(client.stream([b"\0\0"], sample_rate_hz=16_000))
    assert raised.value.retry_after_s is None


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+)", _errors.__doc__ or "")
    defined = [
        name for name, kind in vars(_errors).items() if isinstance(kind, type) and kind.__base__ is hearken.HearkenError
    ]
    assert drawn == defined


def _status_with_retry_info(delay: Duration) -> bytes:
    """google.rpc.Status {code, message, details {RetryInfo {delay}}}, written by field numbers."""

    def field(number: int, content: bytes) -> bytes:
        assert len(content) < 128
        return bytes([number << 3 | 2, len(content)]) + content

    retry_info = AnyMessage(
        type_url="type.googleapis.com/google.rpc.RetryInfo", value=field(1, delay.SerializeToString())
    )
    return b"\x08\x08" + field(2, b"busy") + field(3, retry_info.SerializeToString())


@pytest.mark.parametrize("status", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED])
def test_what_another_version_refuses_is_told_with_both_versions(
    server: Any, caller: Any, status: grpc.StatusCode
) -> None:
    def refuse(requests: Any, context: grpc.ServicerContext) -> Any:
        context.send_initial_metadata((("hearken-version", server_version),))
        context.abort(status, "field 99 is unknown")

    server.speech.script = refuse
    server_version, told = "9.1.0", "the server's version is 9.1.0, this library's"
    with pytest.raises(hearken.HearkenError, match=told):
        caller.stream(server.address, [b"\0\0"], sample_rate_hz=16_000)
    server_version, told = hearken.__version__, "unknown$"
    with pytest.raises(hearken.HearkenError, match=told):
        caller.stream(server.address, [b"\0\0"], sample_rate_hz=16_000)
