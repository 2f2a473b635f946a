"""Room is what the measured cost of a stream and the measured waiting leave."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from service.load import CPU_SHARE, MachineLoad, UsedCpu, usable_cores
from tests.programs import program


class Machine:
    """A clock and a CPU meter to turn by hand."""

    def __init__(self, cores: float = 2.0) -> None:
        self.now_s = self.cpu_s = 0.0
        self.load = MachineLoad(cores=cores, max_wait_s=0.4, cpu_s=lambda: self.cpu_s, clock=lambda: self.now_s)

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
        machine.load.waited(1.0)
    assert not machine.load.has_room(1)
    assert machine.load.has_room(0)
    machine.now_s += 5.0
    assert machine.load.has_room(1)


@pytest.mark.parametrize(("text", "cores"), [("150000 100000", 1.5), ("max 100000", None), ("", None)])
def test_a_containers_limit_counts(tmp_path: Path, text: str, cores: float | None) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(text)
    everything = usable_cores(tmp_path / "none")
    assert usable_cores(quota) == (everything if cores is None else min(everything, cores))


BUSY = """
import sys, time
for line in sys.stdin:
    began_s = time.process_time()
    while time.process_time() - began_s < 0.2: pass
    print("done", flush=True)
"""


def test_the_time_of_a_child_counts_from_when_it_was_found_and_stays_when_it_ends() -> None:
    now_s = 0.0
    used_s = UsedCpu(lambda: now_s)
    before_s = used_s()
    with program([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:

        def work() -> None:
            child.stdin.write("more\n")
            child.stdin.flush()
            child.stdout.readline()

        work()
        assert used_s() - before_s < 0.2
        now_s = 3600.0
        found_s = used_s()
        work()
        assert used_s() - found_s >= 0.15
    assert used_s() - found_s >= 0.15
