"""Whether one stream more would be on time: measured, because it depends on the machine, the model and the callers.

Who is let in is left to service/sessions.py, how many at most to the operator, what CPUs there are to cpu_time.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_BUSY_SHARE = 0.5
"""Of the CPUs. An engine with time to spare runs streams one by one, which costs more than they would need."""

_SAMPLE_S = 1.0
_MIN_AUDIO_S = 5.0
"""Of one sample, and of a rehearsal; the cost of less audio says little."""
_MEMORY_AUDIO_S = 600.0
"""Audio over which the cost is averaged: of many callers it is soon heard, and the first seconds have no final text."""
_FRONT_END_COST = 0.002
"""What a rehearsal leaves out, as gRPC: so much that it agrees with what 64 streams were seen to take."""
_MEMORY_S = 2.0
"""Time over which waiting is averaged."""


class MachineLoad:
    """What streams cost and how long they wait. Belongs to the event loop."""

    def __init__(
        self,
        *,
        cores: Callable[[], float],
        cpu_share: float,
        max_wait_share: float,
        cpu_s: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """cores: at hand; streams may take cpu_share of them. max_wait_share: see wait_share. cpu_s: used so far."""
        self._cores = cores
        self._cpu_share = cpu_share
        self._max_wait_share = max_wait_share
        self._cpu_s = cpu_s
        self._clock = clock
        self._cost: float | None = None
        self._audio_s = 0.0
        self._sampled_s, self._sampled_cpu_s = clock(), cpu_s()
        self._wait_share = 0.0
        self._waited_s = clock()

    @property
    def cost(self) -> float:
        """CPU seconds for a second of audio, the inverse of the real-time factor of one core; 0: not known yet."""
        return self._cost or 0.0

    @property
    def wait_share(self) -> float:
        """How long a step takes at present, its waiting included, as a share of its caller's latency; a mean of the
        last seconds. What is late by half a latency falls behind.
        """
        return self._wait_share * math.exp(-(self._clock() - self._waited_s) / _MEMORY_S)

    def heard(self, audio_s: float) -> None:
        """So much audio has been received."""
        self._audio_s += audio_s
        now_s = self._clock()
        if now_s - self._sampled_s >= _SAMPLE_S and self._audio_s >= _MIN_AUDIO_S:
            cpu_s = self._cpu_s()
            if cpu_s - self._sampled_cpu_s >= _BUSY_SHARE * self._cores() * (now_s - self._sampled_s):
                self._learn(cpu_s - self._sampled_cpu_s, self._audio_s)
            self._audio_s, self._sampled_s, self._sampled_cpu_s = 0.0, now_s, cpu_s

    def rehearsed(self, cpu_s: float, audio_s: float) -> None:
        """So much audio of several callers took so much CPU time, before anybody was let in."""
        if audio_s >= _MIN_AUDIO_S:
            self._learn(cpu_s + _FRONT_END_COST * audio_s, audio_s)
        self._sampled_s, self._sampled_cpu_s = self._clock(), self._cpu_s()

    def waited(self, wait_s: float, latency_s: float) -> None:
        """A step of a stream took so long, whose caller has chosen this latency."""
        now_s = self._clock()
        keep = math.exp(-(now_s - self._waited_s) / _MEMORY_S)
        self._wait_share = keep * self._wait_share + (1 - keep) * wait_s / latency_s
        self._waited_s = now_s

    def has_room(self, streams: int) -> bool:
        """Whether one more can be on time beside so many. The first always gets what there is."""
        if not streams:
            return True
        return (streams + 1) * self.cost <= self._cpu_share * self._cores() and self.wait_share <= self._max_wait_share

    def room(self) -> str:
        """So many streams in real time there is CPU for, as far as it is known; for the log."""
        return f"{self._cpu_share * self._cores() / self._cost:.0f}" if self._cost else "some"

    def _learn(self, cpu_s: float, audio_s: float) -> None:
        new = cpu_s / audio_s
        weight = 1.0 if self._cost is None else 1 - math.exp(-audio_s / _MEMORY_AUDIO_S)
        self._cost = new if self._cost is None else self._cost + weight * (new - self._cost)
