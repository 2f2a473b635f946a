"""Traces arrive at a collector, in the caller's own trace, with sizes and without text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from hearken.v1 import speech_pb2 as pb

trace_service_pb2 = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
pytestmark = pytest.mark.asyncio

CONFIG = pb.StreamingRecognizeRequest(
    config=pb.StreamingConfig(audio=pb.AudioConfig(encoding=pb.AudioConfig.LINEAR16, sample_rate_hz=16000))
)
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector:
    """Keeps the spans that it is sent, by name."""

    def __init__(self) -> None:
        self.port = 0
        self.spans: dict[str, Any] = {}

    async def export(self, request: Any, context: Any) -> Any:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans |= {span.name: span for span in scope.spans}
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest_asyncio.fixture
async def collector() -> AsyncIterator[Collector]:
    collector, server = Collector(), grpc.aio.server()
    export = grpc.unary_unary_rpc_method_handler(
        collector.export,
        trace_service_pb2.ExportTraceServiceRequest.FromString,
        trace_service_pb2.ExportTraceServiceResponse.SerializeToString,
    )
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": export}),))
    collector.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield collector
    await server.stop(None)


async def test_a_stream_is_a_span_of_its_callers_trace_and_each_search_one_below_it(
    serve: Any, fakes: Any, collector: Collector
) -> None:
    async with serve(traces_endpoint=f"http://127.0.0.1:{collector.port}") as running:
        requests = [CONFIG, *[pb.StreamingRecognizeRequest(audio=fakes.SPEECH)] * 3]
        metadata = (("traceparent", f"00-{TRACE_ID}-00f067aa0ba902b7-01"),)
        responses = [r async for r in running.stub.StreamingRecognize(iter(requests), metadata=metadata)]
    stream, search = collector.spans["StreamingRecognize"], collector.spans["decode"]
    assert stream.trace_id.hex() == search.trace_id.hex() == TRACE_ID
    assert stream.parent_span_id.hex() == "00f067aa0ba902b7" and search.parent_span_id == stream.span_id
    noted = {attribute.key: attribute.value for attribute in stream.attributes}
    assert noted["hearken.stream_id"].string_value == responses[0].stream_id
    assert noted["hearken.model"].string_value == "fake" and noted["hearken.audio_s"].double_value == 0.75
    assert b"w1" not in stream.SerializeToString() + search.SerializeToString()


async def test_a_stream_that_fails_is_a_failed_span(serve: Any, fakes: Any, end_of: Any, collector: Collector) -> None:
    async with serve(traces_endpoint=f"http://127.0.0.1:{collector.port}") as running:
        call = running.stub.StreamingRecognize(iter([CONFIG, pb.StreamingRecognizeRequest(audio=b"x")]))
        assert (await end_of(call))[0] is grpc.StatusCode.INVALID_ARGUMENT
    span = collector.spans["StreamingRecognize"]
    assert span.status.message == "InvalidAudio" and span.status.code == span.status.STATUS_CODE_ERROR


async def test_a_collector_that_is_away_disturbs_nobody(serve: Any, fakes: Any) -> None:
    async with serve(traces_endpoint="http://127.0.0.1:1") as running, asyncio.timeout(10):
        requests = [CONFIG, pb.StreamingRecognizeRequest(audio=fakes.SPEECH)]
        assert [r async for r in running.stub.StreamingRecognize(iter(requests))][-1].results[0].is_final
