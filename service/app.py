"""The composition root: what exists in a running server, in which order it starts, and how it stops.

What the parts do is left to them, signals and exit codes to service/running.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection

from hearken.v1 import speech_pb2, speech_pb2_grpc
from models.errors import DeviceError, PackageError
from models.shapes import keep_compiled
from models.threads import limit_threads
from service.background import in_background
from service.cpu_time import FreeCores, UsedCpu, usable_cores
from service.engine import Recognizer
from service.errors import Draining, StartError
from service.hosting import Hosted, Hosting
from service.lanes import Lanes
from service.late_refusals import LateRefusals
from service.listening import check_free, grpc_options, most_calls
from service.load import MachineLoad
from service.loop_delay import watch_loop
from service.metrics import Metrics
from service.monitoring import Monitoring
from service.quotas import Quotas
from service.reloading import Reloading
from service.rpc.calls import Calls
from service.rpc.facades import installed_facades
from service.rpc.interceptors import Authentication
from service.rpc.reading import Reading
from service.rpc.servicer import Speech
from service.rpc.trace_context import TraceContext
from service.session import StreamLimits
from service.sessions import Sessions
from service.settings import Settings, variable_of
from service.tls import server_credentials
from service.tokens import read_tokens
from service.tracing import Tracing

logger = logging.getLogger(__name__)

SPEECH = speech_pb2.DESCRIPTOR.services_by_name["Speech"].full_name

_BROKEN_GRACE_S = 5.0
"""Time for the statuses of all streams, whose recognition has stopped."""

_LAST_RESULTS_S = 10.0
"""Time for the results of the audio that streams have sent until the drain ended them; at most a third of the grace."""

_CLOSE_S = 2.0
"""For the end of threads and decoder processes. What takes longer ends with the process."""

_LAST_STATUS_S = 1.0
"""Time for the status of the last streams to get out. Health watchers, who never leave, are sent off after it."""

_ALIVE_S = 5.0
"""An event loop that answers nothing for so long hangs."""

_REHEARSAL_CALLERS = 16
"""Enough to see what a stream costs among others, and soon over."""

_REHEARSALS = 2
"""At the same time: a core whose neighbor is busy, too, does less in a second, as then with many callers."""

Load = Callable[[Settings], Recognizer[Any]]


def load_recognizer(settings: Settings) -> Recognizer[Any]:
    """The model that the settings name, self-test passed. Raises PackageError and DeviceError. Takes seconds."""
    limit_threads(settings.threads)
    keep_compiled()
    from models.package import find_package
    from models.recognizer import Recognizer as TrainedRecognizer

    recognizer = TrainedRecognizer.load(
        find_package(settings.model).resolve(),  # a link may lead elsewhere when decoder processes are replaced
        settings.device,
        threads=settings.threads,
        decoder_processes=settings.decoder_processes or max(2, (os.cpu_count() or 1) // 2),
    )
    if settings.default_latency_ms in recognizer.latencies_ms:
        recognizer.prepare(settings.default_latency_ms, max_batch=settings.max_batch)
    return recognizer


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
        self._shares_port = settings.workers > 1
        self._health = health.aio.HealthServicer()
        self._tracing = Tracing(settings.traces_endpoint)
        self._calls = Calls(settings, self.metrics)
        self._late_refusals = LateRefusals(settings.late_refusal_s)
        self._facades = installed_facades(self._calls)
        self._services = (SPEECH, *(service for facade in self._facades for service in facade.services))
        self._grpc = grpc.aio.server(
            options=grpc_options(settings),
            interceptors=_interceptors(settings, self.metrics, self._tracing, self._late_refusals),
            maximum_concurrent_rpcs=most_calls(settings),
        )
        self._hosting: Hosting[Any] = Hosting(self.metrics)
        free_cores = _free_cores_of(settings.workers)
        self._machine = MachineLoad(
            cores=free_cores,
            cpu_share=settings.cpu_share,
            max_wait_share=settings.max_wait_share,
            cpu_s=UsedCpu(),
        )
        self._sessions = Sessions(
            self._hosting,
            self.metrics,
            quotas=Quotas(max_streams_per_peer=settings.max_streams_per_peer),
            max_streams=settings.max_streams,
            limits=StreamLimits(settings.max_stream_s or math.inf, settings.min_pace, settings.idle_timeout_s),
            load=self._machine,
            tracing=self._tracing,
        )
        self._monitoring: Monitoring | None = None
        self._is_serving = False
        self._health_change: asyncio.Task[None] | None = None
        self._loop_watch: asyncio.Task[None] | None = None
        self._reloading = asyncio.Lock()
        self.metrics.device_memory_bytes.set_function(self._hosting.device_memory_bytes)
        self.metrics.free_cores.set_function(free_cores)
        self.metrics.audio_cost.set_function(lambda: self._machine.cost)
        self.metrics.step_wait.set_function(lambda: self._machine.wait_share)

    async def start(self) -> None:
        """Listens on both ports. Health says NOT_SERVING, recognition says that it is loading. Raises StartError."""
        settings = self._settings
        await self._set_health(serving=False)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        speech_pb2_grpc.add_SpeechServicer_to_server(Speech(self._calls), self._grpc)  # type: ignore[no-untyped-call]
        for facade in self._facades:
            self._grpc.add_generic_rpc_handlers(facade.handlers())
        reflection.enable_server_reflection((*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME), self._grpc)

        if not self._shares_port:
            check_free(settings.host, settings.port, "host", "port")
        check_free(settings.metrics_host, settings.metrics_port, "metrics_host", "metrics_port")
        loop = asyncio.get_running_loop()
        self._monitoring = Monitoring(
            settings.metrics_host,
            settings.metrics_port,
            self.metrics.registry,
            is_alive=lambda: not self.broken.is_set() and _answers(loop),
            is_ready=lambda: self._is_serving,
        )
        self.metrics_port = self._monitoring.port
        self._loop_watch = asyncio.create_task(watch_loop(self.metrics.event_loop_delay_seconds.observe))
        if not self._shares_port:
            await self._listen()
        logger.info("metrics on http://%s:%d/metrics", settings.metrics_host, self.metrics_port)

    async def _listen(self) -> None:
        settings = self._settings
        credentials = server_credentials(settings)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        if credentials is None:
            self.port = self._grpc.add_insecure_port(f"{host}:{settings.port}")
        else:
            self.port = self._grpc.add_secure_port(f"{host}:{settings.port}", credentials)
        await self._grpc.start()
        logger.info("gRPC on %s:%d", host, self.port)
        logger.info("%s", _protection(settings))

    async def load(self) -> None:
        """Loads the model, then lets callers in. Raises StartError and what the loading raises."""
        async with self._reloading:  # one that is asked for now comes after
            await self._host(self._settings)
            used_cpu_s = UsedCpu()
            before_s = used_cpu_s()
            rehearse = partial(self._sessions.recognizer.rehearse, _REHEARSAL_CALLERS // _REHEARSALS)
            audio_s = sum(await asyncio.gather(*(in_background(rehearse) for _ in range(_REHEARSALS))))
            self._machine.rehearsed(used_cpu_s() - before_s, audio_s)
        self._calls.begin(self._sessions)
        await self._set_health(serving=True)
        if self._shares_port:  # not before: the others on this port can take the callers
            await self._listen()
        logger.info("serving; there is room for about %s streams in real time", self._machine.room())

    async def reload(self, settings: Settings) -> None:
        """Loads the models anew and lets them take the place of those before, whose streams finish on them.

        settings: they may name other models; other changes are left to a new start. What fails is logged, and the
        models of before serve on.
        """
        async with self._reloading:
            own = self._settings.model_dump()
            changed = {name for name, value in settings.model_dump().items() if value != own[name]}
            if ignored := sorted(map(variable_of, changed - {"model", "models"})):
                logger.warning("a reload changes models only; %s need a new start", ", ".join(ignored))
            try:
                await self._host(self._settings.model_copy(update=settings.model_dump(include={"model", "models"})))
            except (StartError, PackageError, DeviceError) as error:
                logger.error("the models of before serve on: %s", error)
                self.metrics.model_reloads.labels("failed").inc()
            except Exception:
                logger.exception("the models of before serve on: loading failed in an unforeseen way")
                self.metrics.model_reloads.labels("failed").inc()
            else:
                self.metrics.model_reloads.labels("done").inc()

    async def _host(self, settings: Settings) -> None:
        """Loads all models, then lets them serve: all, or none if one raises."""
        names = [settings.model, *filter(None, (name.strip() for name in settings.models.split(",")))]
        models: list[Hosted[Any]] = []
        try:
            for name in names:
                recognizer = await in_background(self._load, settings.model_copy(update={"model": name}))
                models.append(Hosted(recognizer, self._lanes_of(recognizer)))
                _check_latency(recognizer, settings.default_latency_ms)
            self._hosting.replace(models)
        except BaseException:
            for hosted in models:
                hosted.close()
            raise
        for hosted in models:
            logger.info("model %s serves on %s", hosted.recognizer.name, hosted.recognizer.device)

    def _lanes_of(self, recognizer: Recognizer[Any]) -> Lanes[Any, Any]:
        return Lanes(
            recognizer.advance, max_batch=self._settings.max_batch, metrics=self.metrics, on_death=self._on_death
        )

    async def stop(self) -> None:
        """Turns new callers away, gives those inside DRAIN_GRACE_S to finish, then ends everything.

        First they end by themselves, then at their next pause, where no word is cut. The last part of the grace is for
        the results of the audio that those have sent who are still there.
        """
        grace_s = min(self._settings.drain_grace_s, _BROKEN_GRACE_S if self.broken.is_set() else math.inf)
        results_s = grace_s if self.broken.is_set() else min(_LAST_RESULTS_S, grace_s / 3)
        self._is_serving = False
        await self._health.enter_graceful_shutdown()
        logger.info("stopping; running streams have %g s to finish", grace_s)
        self._sessions.close_door()
        undisturbed_s = min(grace_s / 3, grace_s - results_s)
        await self._emptied(undisturbed_s)
        self._sessions.end_all_at_pauses(Draining)
        await self._emptied(grace_s - results_s - undisturbed_s)
        self._sessions.end_all(Draining)
        await self._emptied(results_s)
        self._late_refusals.end()
        await self._grpc.stop(_LAST_STATUS_S)
        for facade in self._facades:
            await facade.close()
        self._sessions.close()
        with contextlib.suppress(TimeoutError):  # nobody is here any more who could be harmed
            await asyncio.wait_for(self._hosting.close(), _CLOSE_S)
        if self._loop_watch is not None:
            self._loop_watch.cancel()
        if self._monitoring is not None:
            await asyncio.to_thread(self._monitoring.close)
        await asyncio.to_thread(self._tracing.close)
        logger.info("stopped")

    async def _emptied(self, within_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._sessions.empty(), within_s)

    async def _set_health(self, *, serving: bool) -> None:
        self._is_serving = serving
        status = HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING
        for service in (health.OVERALL_HEALTH, *self._services):
            await self._health.set(service, status)

    def _on_death(self) -> None:
        self.broken.set()
        self._health_change = asyncio.create_task(self._set_health(serving=False))


def _interceptors(
    settings: Settings, metrics: Metrics, tracing: Tracing, late_refusals: LateRefusals
) -> list[grpc.aio.ServerInterceptor]:
    inner: list[grpc.aio.ServerInterceptor] = [Reading(metrics, idle_timeout_s=settings.idle_timeout_s)]
    if settings.traces_endpoint:
        inner.insert(0, TraceContext(tracing))
    if not settings.tokens_file:
        return inner
    path = Path(settings.tokens_file)
    tokens = Reloading([path], lambda: read_tokens(path))
    is_open = {health.SERVICE_NAME: settings.open_health, reflection.SERVICE_NAME: settings.open_reflection}
    open_services = frozenset(service for service, open_ in is_open.items() if open_)
    return [Authentication(tokens.current, metrics, late_refusals, open_services=open_services), *inner]


def _free_cores_of(workers: int) -> Callable[[], float]:
    """This process's part of the cores that programs other than this server leave to it."""
    all_workers = UsedCpu(os.getppid() if workers > 1 else None)
    free = FreeCores(usable_cores(), own_s=all_workers)
    return lambda: free() / workers


def _protection(settings: Settings) -> str:
    """What callers meet, for the log."""
    tls = "TLS" if settings.tls_certificate else "plaintext"
    certificate = ", with a client certificate" if settings.tls_client_ca else ""
    return f"callers use {tls}{certificate}{', with a token' if settings.tokens_file else ''}"


def _check_latency(recognizer: Recognizer[Any], latency_ms: int) -> None:
    if latency_ms not in recognizer.latencies_ms:
        offered = ", ".join(map(str, recognizer.latencies_ms))
        raise StartError(
            f"{variable_of('default_latency_ms')} is {latency_ms}; model {recognizer.name!r} has {offered}"
        )


def _answers(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the event loop does its work. For other threads."""

    async def answer() -> None: ...

    try:
        asyncio.run_coroutine_threadsafe(answer(), loop).result(_ALIVE_S)
    except TimeoutError:
        return False
    return True
