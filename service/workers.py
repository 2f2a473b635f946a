"""Several processes that serve on one port (SO_REUSEPORT): started, replaced, ended and measured together.

The kernel spreads connections over them. What one of them does is left to service/running.py.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from prometheus_client import CollectorRegistry

from service.listening import check_free
from service.merged_metrics import MergedMetrics
from service.monitoring import Monitoring
from service.settings import Settings

logger = logging.getLogger(__name__)

CANNOT_START = 2
"""Exit code of a server whose settings or model are wrong."""

_PAUSE_S = 1.0
"""Before another process takes the place of one that has ended."""

_ANSWER_S = 2.0
"""Time for a worker's answer over HTTP."""


@dataclass(frozen=True, slots=True)
class Place:
    """What makes one worker differ from the others. number: from 0. port: that they share."""

    number: int
    port: int

    def share_of(self, settings: Settings) -> Settings:
        """The operator's settings as they are here: a part of the limits and of the machine."""
        cores = len(os.sched_getaffinity(0))
        own = {
            "port": self.port,
            "metrics_host": "127.0.0.1",
            "metrics_port": 0,
            "threads": settings.threads or max(1, cores // 2 // settings.workers),
            "decoder_processes": settings.decoder_processes or max(1, cores // 2 // settings.workers),
            "max_streams": -(-settings.max_streams // settings.workers),
            "max_connections": -(-settings.max_connections // settings.workers),
        }
        return settings.model_copy(update=own)


Work = Callable[[Place, Callable[[int], None]], int]
"""What a worker does in its place until it ends with an exit code. It tells where its metrics are served."""


async def supervise(settings: Settings, work: Work) -> int:
    """Runs `settings.workers` processes until SIGTERM or SIGINT, which are passed on, as SIGHUP is; their exit code.

    A process that ends by itself is replaced. If one cannot even start in the beginning, all are ended. Raises
    StartError.
    """
    stopping = asyncio.Event()
    check_free(settings.metrics_host, settings.metrics_port, "metrics_host", "metrics_port")
    with _reserved_port(settings) as port:
        workers = [_Worker(Place(number, port), work) for number in range(settings.workers)]
        monitoring = _monitoring(settings, workers)
        logger.info("metrics of all workers on http://%s:%d/metrics", settings.metrics_host, monitoring.port)

        def pass_on(number: int) -> None:
            if number != signal.SIGHUP:
                stopping.set()
            for worker in workers:
                worker.signal(number)

        loop = asyncio.get_running_loop()
        for received, passed in (
            (signal.SIGTERM, signal.SIGTERM),
            (signal.SIGINT, signal.SIGTERM),
            (signal.SIGHUP, signal.SIGHUP),
        ):
            loop.add_signal_handler(received, pass_on, passed)
        running = [asyncio.create_task(worker.keep_running(stopping)) for worker in workers]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.is_set():  # one could not start
            pass_on(signal.SIGTERM)
        codes = await asyncio.gather(*running)
        await asyncio.to_thread(monitoring.close)
        return max(0, *codes)


class _Worker:
    """One process after the other in one place."""

    def __init__(self, place: Place, work: Work) -> None:
        self._place = place
        self._work = work
        self._process: Any = None
        self._metrics_port = 0
        self.generation = 0
        """Counts the processes of this place."""

    async def keep_running(self, stopping: asyncio.Event) -> int:
        """Until the end of all is wanted, or the first process cannot start; gives the last one's exit code.

        Where a later one cannot start, what it needs was there once: it is tried again while the others serve.
        """
        while True:
            code = await self._run()
            if stopping.is_set() or (code == CANNOT_START and self.generation == 1):
                return code
            logger.error("worker %d has ended with code %d; another takes its place", self._place.number, code)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _PAUSE_S)
                return code

    def signal(self, number: int) -> None:
        """Sends it to the process, if there is one."""
        if self._process is not None and self._process.is_alive():
            os.kill(self._process.pid, number)

    def fetch(self, path: str) -> str | None:
        """What the process answers over HTTP; None if it does not, or not OK."""
        if not self._metrics_port:
            return None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}{path}", timeout=_ANSWER_S) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    async def _run(self) -> int:
        context = multiprocessing.get_context("spawn")
        reading, writing = context.Pipe(duplex=False)
        self._metrics_port, self.generation = 0, self.generation + 1
        name = f"worker-{self._place.number}"
        self._process = context.Process(target=_begin, args=(self._place, self._work, writing), name=name)
        self._process.start()
        writing.close()
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def hear() -> None:
            loop.remove_reader(reading.fileno())
            with suppress(EOFError):  # it has ended before it served
                self._metrics_port = reading.recv()

        loop.add_reader(reading.fileno(), hear)
        loop.add_reader(self._process.sentinel, ended.set)
        await ended.wait()
        loop.remove_reader(self._process.sentinel)
        loop.remove_reader(reading.fileno())
        reading.close()
        self._process.join()
        return int(self._process.exitcode)


def _begin(place: Place, work: Work, report: Connection) -> None:
    os.setsid()  # Ctrl-C is for the parent, which passes it on
    threading.Thread(target=_end_with_parent, daemon=True).start()
    code = work(place, report.send)
    sys.stderr.flush()
    os._exit(code)  # whatever threads and libraries still want to do: all callers are answered


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _reserved_port(settings: Settings) -> Iterator[int]:
    """The port that the workers share; held without listening, so that no other server gets a part of the callers."""
    check_free(settings.host, settings.port, "host", "port")
    family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(address)
        yield holder.getsockname()[1]


def _monitoring(settings: Settings, workers: list[_Worker]) -> Monitoring:
    """Of all of them: alive if each is, ready if one is, and their metrics added up."""
    registry = CollectorRegistry()
    registry.register(
        MergedMetrics(lambda: [(i, worker.generation, worker.fetch("/metrics")) for i, worker in enumerate(workers)])
    )
    return Monitoring(
        settings.metrics_host,
        settings.metrics_port,
        registry,
        is_alive=lambda: all(worker.fetch("/healthz") is not None for worker in workers),
        is_ready=lambda: any(worker.fetch("/readyz") is not None for worker in workers),
    )
