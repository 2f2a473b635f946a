"""CPU time: how many cores there are for this server, what it has used, and what others on the machine use."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

_LEAST_SHARE = 0.5
"""Of the cores, however busy others are: the system divides what is there, and gives each who wants it a part."""

_SAMPLE_S = 1.0
_MEMORY_S = 10.0
"""Time over which the use of others is averaged: a program that starts takes a core, but not for long."""
_CHILDREN_S = 10.0
"""So often they are looked for: decoders begin with the server, and a new one takes the place of a dead one."""
_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota: Path = _CGROUP_QUOTA) -> float:
    """CPUs that this process may use: those it is bound to, or what a container's limit leaves of them."""
    cores = float(len(os.sched_getaffinity(0)))
    try:
        allowed, period = quota.read_text(encoding="ascii").split()
        return min(cores, int(allowed) / int(period))
    except (OSError, ValueError):
        return cores  # no limit: "max", or no such file


def machine_cpu_s() -> float:
    """CPU seconds so far of everything on the machine that does not give way, as a process with `nice` does."""
    times = psutil.cpu_times()
    system = times.system + getattr(times, "irq", 0.0) + getattr(times, "softirq", 0.0)
    return float(times.user + system + getattr(times, "steal", 0.0))


class FreeCores:
    """The cores that other programs leave to this server at each call, as a mean of the last ten seconds or so.

    Callers and balancers on the same machine are others, too. Any thread may ask.
    """

    def __init__(
        self,
        usable: float,
        *,
        own_s: Callable[[], float],
        machine_s: Callable[[], float] = machine_cpu_s,
        machine_cores: int = os.cpu_count() or 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """usable: cores that the server may use. own_s, machine_s: CPU time so far, of the server and of everything."""
        self._usable = usable
        self._own_s = own_s
        self._machine_s = machine_s
        self._machine_cores = machine_cores
        self._clock = clock
        self._asking = threading.Lock()
        self._others = 0.0
        self._sampled_s, self._sampled_others_s = clock(), machine_s() - own_s()

    def __call__(self) -> float:
        with self._asking:
            self._sample()
            return min(self._usable, max(_LEAST_SHARE * self._usable, self._machine_cores - self._others))

    def _sample(self) -> None:
        now_s = self._clock()
        elapsed_s = now_s - self._sampled_s
        if elapsed_s >= _SAMPLE_S:
            others_s = self._machine_s() - self._own_s()
            others = max(0.0, others_s - self._sampled_others_s) / elapsed_s
            keep = math.exp(-elapsed_s / _MEMORY_S)
            self._others = keep * self._others + (1 - keep) * others
            self._sampled_s, self._sampled_others_s = now_s, others_s


class UsedCpu:
    """CPU seconds of a process and its children at each call; a child counts from when it is found.

    To find children means to read about every process of the machine, so they are looked for now and then only.
    """

    def __init__(self, process_id: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """process_id: of this process by default."""
        self._process = psutil.Process(process_id)
        self._clock = clock
        self._total_s = 0.0
        self._looked_s = -math.inf
        self._used_s: dict[psutil.Process, float] = {}

    def __call__(self) -> float:
        for process, before_s in list(self._used_s.items()):
            try:
                self._used_s[process] = _cpu_s(process)
            except psutil.NoSuchProcess:
                del self._used_s[process]
                continue
            self._total_s += self._used_s[process] - before_s
        if self._clock() - self._looked_s >= _CHILDREN_S:
            self._look()
        return self._total_s

    def _look(self) -> None:
        self._looked_s = self._clock()
        with suppress(psutil.NoSuchProcess):
            for process in (self._process, *self._process.children(recursive=True)):
                if process not in self._used_s:
                    with suppress(psutil.NoSuchProcess):
                        self._used_s[process] = _cpu_s(process)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
