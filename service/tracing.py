"""Traces of requests, for OpenTelemetry: a span for each stream, one below it for each search of a final result.

Spans hold ids, names, sizes and times; never audio or text. Which requests there are is left to service/sessions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from service.errors import StartError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

Attribute = str | int | float | bool
Note = Callable[[str, Attribute], None]
"""Adds an attribute to a span."""

_SERVICE = "hearken"


class Tracing:
    """Sends spans by OTLP over gRPC; without an endpoint it does nothing and needs no package."""

    def __init__(self, endpoint: str) -> None:
        """endpoint: "http://host:port", or https. Raises StartError when the packages are missing."""
        self._provider = _provider(endpoint) if endpoint else None

    def join(self, metadata: tuple[tuple[str, str | bytes], ...]) -> None:
        """The caller's own trace, if its metadata name one (W3C Trace Context), goes on in the current task."""
        if self._provider is None:
            return
        from opentelemetry import context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        names = {key: value for key, value in metadata if isinstance(value, str)}
        context.attach(TraceContextTextMapPropagator().extract(names))  # never detached: the task is the request's own

    @contextmanager
    def span(self, name: str, **attributes: Attribute) -> Iterator[tuple[Note, Any]]:
        """A span as long as the block lasts, in the trace of the current task; an error ends it as failed.

        The second value is what `below` takes.
        """
        if self._provider is None:
            yield _note_nothing, None
            return
        with self._recorded(name, None, attributes) as span:
            yield span

    @contextmanager
    def below(self, parent: Any, name: str, **attributes: Attribute) -> Iterator[None]:
        """A span below another one, in whatever task."""
        if self._provider is None:
            yield
            return
        with self._recorded(name, parent, attributes):
            yield

    def close(self) -> None:
        """Sends what is not sent yet."""
        if self._provider is not None:
            self._provider.shutdown()

    @contextmanager
    def _recorded(self, name: str, parent: Span | None, attributes: dict[str, Attribute]) -> Iterator[tuple[Note, Any]]:
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

        assert self._provider is not None
        kind = SpanKind.SERVER if parent is None else SpanKind.INTERNAL
        span = self._provider.get_tracer(_SERVICE).start_span(
            name,
            context=None if parent is None else set_span_in_context(parent),
            kind=kind,
            attributes={f"hearken.{key}": value for key, value in attributes.items()},
        )
        try:
            yield lambda key, value: span.set_attribute(f"hearken.{key}", value), span
        except BaseException as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            span.end()


def _note_nothing(key: str, value: Attribute) -> None:
    """Of no span."""


def _provider(endpoint: str) -> TracerProvider:
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise StartError(
            f"traces need the package {error.name}: pip install 'hearken-server[tracing]', or unset"
            " HEARKEN_TRACES_ENDPOINT"
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": _SERVICE}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return provider
