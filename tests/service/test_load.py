"""Room is what the measured cost of a stream and the measured waiting leave."""

from __future__ import annotations

import pytest

from service.load import MachineLoad

CPU_SHARE = 0.9


class Machine:
    """A clock and a CPU meter to turn by hand."""

    def __init__(self, cores: float = 2.0) -> None:
        self.now_s = self.cpu_s = 0.0
        self.cores = cores
        self.load = MachineLoad(
            cores=lambda: self.cores,
            cpu_share=CPU_SHARE,
            max_wait_share=0.4,
            cpu_s=lambda: self.cpu_s,
            clock=lambda: self.now_s,
        )

    def run(self, seconds: int, streams: int, cost: float) -> None:
        """So many streams speak for so long, each second of each costs so much."""
        for _ in range(seconds):
            self.now_s += 1.0
            self.cpu_s += streams * cost
            self.load.heard(float(streams))


def test_without_any_measurement_there_is_room() -> None:
    assert Machine().load.has_room(1000)


def test_a_rehearsal_says_how_many_streams_there_is_room_for() -> None:
    machine = Machine(cores=2)
    machine.load.rehearsed(cpu_s=3.0, audio_s=30.0)
    assert machine.load.cost == pytest.approx(0.102)
    assert machine.load.has_room(int(2 / 0.102 * CPU_SHARE) - 1)
    assert not machine.load.has_room(int(2 / 0.102 * CPU_SHARE))


def test_there_is_less_room_when_others_want_the_cores_too() -> None:
    machine = Machine(cores=2)
    machine.load.rehearsed(cpu_s=3.0, audio_s=30.0)
    machine.cores = 1.2
    assert machine.load.has_room(int(1.2 / 0.102 * CPU_SHARE) - 1)
    assert not machine.load.has_room(int(1.2 / 0.102 * CPU_SHARE))


def test_a_rehearsal_of_a_moment_says_nothing() -> None:
    machine = Machine(cores=2)
    machine.load.rehearsed(cpu_s=1.0, audio_s=0.05)
    assert machine.load.cost == 0.0 and machine.load.has_room(1000)


def test_the_cost_follows_what_many_streams_take() -> None:
    machine = Machine(cores=2)
    machine.load.rehearsed(cpu_s=3.0, audio_s=30.0)
    machine.run(60, streams=64, cost=0.02)
    assert machine.load.cost == pytest.approx(0.02, rel=0.1)
    assert machine.load.has_room(80)


def test_what_few_streams_take_says_nothing_about_many() -> None:
    machine = Machine(cores=2)
    machine.load.rehearsed(cpu_s=0.6, audio_s=30.0)
    machine.run(60, streams=8, cost=0.08)
    assert machine.load.has_room(60)


def test_a_little_audio_says_nothing() -> None:
    machine = Machine()
    machine.run(4, streams=1, cost=100.0)
    assert machine.load.cost == 0.0


def test_long_waits_close_the_door_until_they_are_over_but_never_for_the_first() -> None:
    machine = Machine()
    for _ in range(40):
        machine.now_s += 0.1
        machine.load.waited(0.5, latency_s=0.64)
    assert not machine.load.has_room(1)
    assert machine.load.has_room(0)
    machine.now_s += 5.0
    assert machine.load.has_room(1)
