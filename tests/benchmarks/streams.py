"""How many callers at a time are on time? Raises their number step by step and tells what they wait for.

Callers are those of `hearken load`, in processes of their own; they share the machine with the server. With
HEARKEN_WORKERS=8 that is one of several processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server import Server, quantile_of_buckets, running_server

_STALL = "hearken_event_loop_delay_seconds"
_SAMPLE_S = 2.0
_CALLERS_OF_A_PROCESS = 150
_ROOM = 4
"""Times the callers: what a worker's share of it is must not turn away those whom chance has given to it."""


@dataclass(frozen=True)
class Step:
    """One number of streams. figures: as `hearken load --json` tells. cores, memory_mb: of the server's processes."""

    figures: dict[str, Any]
    cores: float
    memory_mb: float
    stall_p99_ms: float


def sweep(streams: list[int], *, seconds: float, latency_ms: int, speech: Path, device: str, model: str) -> list[Step]:
    """One step after the other on one server."""
    with running_server(device, model, MAX_STREAMS=str(_ROOM * max(streams))) as server:
        return [_step(server, count, seconds, latency_ms, speech) for count in streams]


def load_command(address: str, streams: int, seconds: float, latency_ms: int, speech: Path) -> list[str]:
    """Prints the figures of so many callers as JSON."""
    command = [sys.executable, "-m", "hearken", "load", str(speech), "--server", address, "--json"]
    command += ["--streams", str(streams), "--seconds", str(seconds), "--latency-ms", str(latency_ms)]
    if streams > _CALLERS_OF_A_PROCESS:
        command += ["--processes", str(-(-streams // _CALLERS_OF_A_PROCESS))]
        # The kernel spreads connections over workers by chance: the more there are, the more evenly.
        command += ["--connections", str(_CALLERS_OF_A_PROCESS)]
    return command


def _step(server: Server, streams: int, seconds: float, latency_ms: int, speech: Path) -> Step:
    peak = _Peak(server)
    stalls_before, cpu_before_s, began_s = server.samples(_STALL), server.cpu_s(), time.monotonic()
    command = load_command(server.address, streams, seconds, latency_ms, speech)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    memory_mb = peak.stop()
    if not done.stdout:
        raise SystemExit(done.stderr)
    cores = (server.cpu_s() - cpu_before_s) / (time.monotonic() - began_s)
    stalls = {border: count - stalls_before.get(border, 0) for border, count in server.samples(_STALL).items()}
    return Step(json.loads(done.stdout), cores, memory_mb, 1000 * quantile_of_buckets(stalls, 0.99))


class _Peak:
    """The most memory of a server while something else happens."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._most_mb = server.memory_mb()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> float:
        """In MB."""
        self._over.set()
        self._thread.join()
        return self._most_mb

    def _watch(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            self._most_mb = max(self._most_mb, self._server.memory_mb())
