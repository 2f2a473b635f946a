"""The composition root: what exists in a running server, in which order it starts, and how it stops.

What the parts do is left to them; options of the command line to service/__main__.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import prometheus_client
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection

from hearken.v1 import speech_pb2, speech_pb2_grpc
from models.errors import DeviceError, PackageError
from models.types import Result
from service.engine import Recognizer
from service.errors import StartError
from service.lanes import Lanes
from service.metrics import Metrics
from service.quotas import Quotas
from service.reloading import Reloading
from service.rpc.interceptors import Authentication
from service.rpc.reading import Reading
from service.rpc.servicer import Speech
from service.sessions import Sessions
from service.settings import Settings, variable_of
from service.tls import server_credentials
from service.tokens import read_tokens

logger = logging.getLogger(__name__)

SPEECH = speech_pb2.DESCRIPTOR.services_by_name["Speech"].full_name

_BROKEN = 3
"""Exit code when recognition has stopped for good: whoever supervises the process starts a new one."""

_BROKEN_GRACE_S = 5.0
"""Time for the statuses of all streams, whose recognition has stopped."""

_LAST_STATUS_S = 1.0
"""Time for the status of the last streams to get out. Health watchers, who never leave, are sent off after it."""

_RECORDING_BYTES_PER_S = 48_000 * 2 * 2
"""A second of the largest audio that MAX_RECORDING_S allows for: 48 kHz, two channels, 16 bits."""

_REST_OF_REQUEST_BYTES = 64 * 1024
"""Room for everything in a request that is not audio."""

Load = Callable[[Settings], Recognizer[Any]]


def load_recognizer(settings: Settings) -> Recognizer[Any]:
    """The model that the settings name, self-test passed. Raises PackageError and DeviceError. Takes seconds."""
    from models.package import find_package
    from models.recognizer import Recognizer as TrainedRecognizer

    return TrainedRecognizer.load(
        find_package(settings.model),
        settings.device,
        threads=settings.threads,
        decoder_processes=settings.decoder_processes or max(2, (os.cpu_count() or 1) // 2),
    )


class Server:
    """One server: `start`, `load`, and in the end `stop`."""

    def __init__(self, settings: Settings, load: Load = load_recognizer) -> None:
        """Raises StartError."""
        self.port = 0
        """Where gRPC listens, once started."""
        self.metrics_port = 0
        """Where metrics are served, once started."""
        self.broken = asyncio.Event()
        """Recognition has stopped for good; the server is to be stopped, and its process to end."""
        self.metrics = Metrics()
        self._settings = settings
        self._load = load
        self._health = health.aio.HealthServicer()
        self._speech = Speech(settings, self.metrics)
        self._grpc = grpc.aio.server(
            options=_grpc_options(settings), interceptors=_interceptors(settings, self.metrics)
        )
        self._lanes: list[Lanes[Any, Result]] = []
        self._sessions: Sessions[Any] | None = None
        self._stop_metrics: Callable[[], None] = lambda: None
        self._health_change: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens on both ports. Health says NOT_SERVING, recognition says that it is loading. Raises StartError."""
        settings = self._settings
        await self._set_health(serving=False)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        speech_pb2_grpc.add_SpeechServicer_to_server(self._speech, self._grpc)  # type: ignore[no-untyped-call]
        reflection.enable_server_reflection((SPEECH, health.SERVICE_NAME, reflection.SERVICE_NAME), self._grpc)

        _check_free(settings.host, settings.port, "host", "port")
        _check_free(settings.metrics_host, settings.metrics_port, "metrics_host", "metrics_port")
        credentials = server_credentials(settings)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        if credentials is None:
            self.port = self._grpc.add_insecure_port(f"{host}:{settings.port}")
        else:
            self.port = self._grpc.add_secure_port(f"{host}:{settings.port}", credentials)
        http, thread = prometheus_client.start_http_server(
            settings.metrics_port, settings.metrics_host, self.metrics.registry
        )
        self.metrics_port = http.server_port

        def stop_metrics() -> None:
            http.shutdown()
            http.server_close()
            thread.join()

        self._stop_metrics = stop_metrics
        await self._grpc.start()
        logger.info("gRPC on %s:%d", host, self.port)
        logger.info("%s", _protection(settings))
        logger.info("metrics on http://%s:%d/metrics", settings.metrics_host, self.metrics_port)

    async def load(self) -> None:
        """Loads the model, then lets callers in. Raises StartError and what the loading raises."""
        settings = self._settings
        recognizer = await asyncio.to_thread(self._load, settings)
        self._sessions = Sessions(
            recognizer,
            self._lanes_of(recognizer),
            self.metrics,
            quotas=Quotas(max_streams_per_peer=settings.max_streams_per_peer),
            max_streams=settings.max_streams,
        )
        for name in filter(None, (name.strip() for name in settings.models.split(","))):
            further = await asyncio.to_thread(self._load, settings.model_copy(update={"model": name}))
            self._sessions.host(further, self._lanes_of(further))
        self._speech.begin(self._sessions)
        await self._set_health(serving=True)
        for hosted in self._sessions.recognizers:
            logger.info("model %s serves on %s", hosted.name, hosted.device)

    def _lanes_of(self, recognizer: Recognizer[Any]) -> Lanes[Any, Result]:
        settings = self._settings
        if settings.default_latency_ms not in recognizer.latencies_ms:
            offered = ", ".join(map(str, recognizer.latencies_ms))
            raise StartError(
                f"{variable_of('default_latency_ms')} is {settings.default_latency_ms};"
                f" model {recognizer.name!r} has {offered}"
            )
        lanes: Lanes[Any, Result] = Lanes(
            recognizer.advance, max_batch=settings.max_batch, metrics=self.metrics, on_death=self._on_death
        )
        self._lanes.append(lanes)
        return lanes

    async def stop(self) -> None:
        """Turns new callers away, gives those inside DRAIN_GRACE_S to finish, then ends everything."""
        grace_s = min(self._settings.drain_grace_s, _BROKEN_GRACE_S if self.broken.is_set() else math.inf)
        await self._health.enter_graceful_shutdown()
        logger.info("stopping; running streams have %g s to finish", grace_s)
        if self._sessions is not None:
            self._sessions.close_door()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._sessions.empty(), grace_s)
        await self._grpc.stop(_LAST_STATUS_S)
        if self._sessions is not None:
            await asyncio.to_thread(self._sessions.close)
        for lanes in self._lanes:
            await asyncio.to_thread(lanes.close)
        await asyncio.to_thread(self._stop_metrics)
        logger.info("stopped")

    async def _set_health(self, *, serving: bool) -> None:
        status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
        for service in (health.OVERALL_HEALTH, SPEECH):
            await self._health.set(service, status)

    def _on_death(self) -> None:
        self.broken.set()
        self._health_change = asyncio.create_task(self._set_health(serving=False))


async def serve(settings: Settings, load: Load = load_recognizer) -> int:
    """Runs a server until SIGTERM or SIGINT, or until it breaks, and gives the exit code.

    A second signal ends the process at once.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    server = Server(settings, load)
    await server.start()
    ends = [asyncio.create_task(event.wait()) for event in (stopping, server.broken)]
    loading = asyncio.create_task(server.load())
    try:
        await asyncio.wait((loading, *ends), return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (loading, *ends):
            task.cancel()
        await server.stop()
    return _BROKEN if server.broken.is_set() else 0


def run(settings: Settings, load: Load = load_recognizer) -> int:
    """Runs a server and gives the exit code: 2, with a sentence on stderr, when it cannot start; 3 when it broke."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        return asyncio.run(serve(settings, load))
    except (StartError, PackageError, DeviceError) as error:
        sys.stderr.write(f"hearken: {error}\n")
        return 2


def _interceptors(settings: Settings, metrics: Metrics) -> list[grpc.aio.ServerInterceptor]:
    reading = Reading(metrics)
    if not settings.tokens_file:
        return [reading]
    path = Path(settings.tokens_file)
    tokens = Reloading([path], lambda: read_tokens(path))
    is_open = {health.SERVICE_NAME: settings.open_health, reflection.SERVICE_NAME: settings.open_reflection}
    open_services = frozenset(service for service, open_ in is_open.items() if open_)
    return [Authentication(tokens.current, metrics, open_services=open_services), reading]


def _protection(settings: Settings) -> str:
    """What callers meet, for the log."""
    tls = "TLS" if settings.tls_certificate else "plaintext"
    certificate = ", with a client certificate" if settings.tls_client_ca else ""
    return f"callers use {tls}{certificate}{', with a token' if settings.tokens_file else ''}"


def _grpc_options(settings: Settings) -> list[tuple[str, int]]:
    whole_recording_bytes = int(settings.max_recording_s * _RECORDING_BYTES_PER_S)
    connection_age = [
        ("grpc.max_connection_age_ms", round(settings.max_connection_age_s * 1000)),
        ("grpc.max_connection_age_grace_ms", round(settings.max_connection_age_grace_s * 1000)),
    ]
    return [
        *(connection_age if settings.max_connection_age_s else []),
        # Without this a second server on the same port would silently get half of the callers.
        ("grpc.so_reuseport", 0),
        (
            "grpc.max_receive_message_length",
            max(whole_recording_bytes, settings.max_message_bytes) + _REST_OF_REQUEST_BYTES,
        ),
        # A client that vanished without a word is noticed after 40 s; clients may ask as often as every 10 s.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ]


def _check_free(host: str, port: int, host_field: str, port_field: str) -> None:
    """A StartError which says why a port cannot be had; gRPC's own error does not."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        settings = f"{variable_of(host_field)} and {variable_of(port_field)}"
        raise StartError(f"cannot listen on {host}:{port}, choose others in {settings}: {error.strerror}") from error
