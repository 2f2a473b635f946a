"""A server in a process of its own for the benchmarks, and what it takes of the machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
_START_LIMIT_S = 180.0
_STOP_LIMIT_S = 60.0
_MB = 1024 * 1024


@dataclass(frozen=True)
class Server:
    """address: of gRPC. metrics: URL. process: the server; its workers and decoders are below it."""

    address: str
    metrics: str
    process: psutil.Process

    def cpu_s(self) -> float:
        """CPU time so far, of all its processes."""
        return sum(own.cpu_times().user + own.cpu_times().system for own in self._family())

    def main_cpu_s(self) -> list[float]:
        """CPU time so far of the process that serves, or of each worker: most of it under one global lock."""
        workers = [own for own in self.process.children() if own.children()] or [self.process]
        return [own.cpu_times().user + own.cpu_times().system for own in workers]

    def memory_mb(self) -> float:
        """Memory that is its own, of all its processes; what they share is counted once."""
        return sum(own.memory_full_info().pss for own in self._family()) / _MB

    def resident_mb(self) -> float:
        """As `memory_mb`, but what is shared counts for each: no matter who else on the machine maps the same files."""
        return sum(own.memory_info().rss for own in self._family()) / _MB

    def samples(self, name: str) -> dict[str, float]:
        """The buckets of a histogram: upper border -> count so far."""
        text = urllib.request.urlopen(self.metrics, timeout=10).read().decode()
        return {
            sample.labels["le"]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"{name}_bucket"
        }

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@contextmanager
def running_server(
    device: str = "cpu", model: str = "english", program: Sequence[str] = ("-m", "service"), **settings: str
) -> Iterator[Server]:
    """A server on free ports that serves; ends it at the end. settings: HEARKEN_ variables without the prefix.

    program: what Python is to run.
    """
    own = {f"HEARKEN_{name}": value for name, value in settings.items()}
    environment = {
        **os.environ,
        "HEARKEN_DEVICE": device,
        "HEARKEN_MODEL": model,
        "HEARKEN_PORT": "0",
        "HEARKEN_METRICS_PORT": "0",
        **own,
    }
    workers = int(environment.get("HEARKEN_WORKERS", "1"))
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([sys.executable, *program], cwd=ROOT, env=environment, stderr=log)
        try:
            found = _ports(process, log.fileno(), workers)
            yield Server(f"127.0.0.1:{found[0]}", f"http://127.0.0.1:{found[1]}/metrics", psutil.Process(process.pid))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_LIMIT_S)


def _ports(process: subprocess.Popen[bytes], log: int, workers: int) -> tuple[str, ...]:
    """Of gRPC and of the metrics of all workers, once each of them serves."""
    metrics = "metrics of all workers on http://" if workers > 1 else "metrics on http://"
    deadline_s = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline_s and process.poll() is None:
        text = os.pread(log, 1 << 20, 0).decode()
        if text.count("serving; ") >= workers:
            ports = (re.findall(name + r"127\.0\.0\.1:(\d+)", text) for name in ("gRPC on ", metrics))
            return tuple(found[0] for found in ports)
        time.sleep(0.1)
    raise SystemExit(f"the server did not start:\n{os.pread(log, 1 << 20, 0).decode()}")


def quantile_of_buckets(buckets: dict[str, float], share: float) -> float:
    """The value below which that share lies, linear within a bucket; cumulative counts by upper border."""
    borders = sorted((float(border), count) for border, count in buckets.items())
    wanted = share * borders[-1][1]
    lower, below = 0.0, 0.0
    for upper, count in borders:
        if count >= wanted:
            return lower if upper == float("inf") else lower + (upper - lower) * (wanted - below) / (count - below or 1)
        lower, below = upper, count
    return lower
