"""Cores are what others leave; CPU time is that of a process and its children."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from service.cpu_time import FreeCores, UsedCpu, machine_cpu_s, usable_cores
from tests.programs import program


class Machine:
    """Four cores, a clock, and CPU meters to turn by hand."""

    def __init__(self, usable: float) -> None:
        self.now_s = self.own_s = self.all_s = 0.0
        self.free = FreeCores(
            usable,
            own_s=lambda: self.own_s,
            machine_s=lambda: self.all_s,
            machine_cores=4,
            clock=lambda: self.now_s,
        )

    def run(self, seconds: int, *, own: float, others: float) -> float:
        """So many cores are busy for so long; gives what is free then."""
        for _ in range(seconds):
            self.now_s += 1.0
            self.own_s += own
            self.all_s += own + others
            free = self.free()
        return free


def test_what_the_server_uses_itself_is_free_for_it() -> None:
    assert Machine(usable=4).run(60, own=3.5, others=0.0) == 4


def test_what_others_use_is_missing_as_long_as_they_do() -> None:
    machine = Machine(usable=4)
    assert machine.run(60, own=2.0, others=1.5) == pytest.approx(2.5, abs=0.05)
    assert machine.run(60, own=2.0, others=0.0) == pytest.approx(4.0, abs=0.05)


def test_others_take_the_cores_first_that_the_server_may_not_use() -> None:
    assert Machine(usable=2).run(60, own=1.0, others=1.5) == 2
    assert Machine(usable=2).run(60, own=1.0, others=2.5) == pytest.approx(1.5, abs=0.05)


def test_however_busy_others_are_half_of_the_cores_count() -> None:
    assert Machine(usable=4).run(60, own=0.0, others=4.0) == 2


def test_asked_twice_within_a_second_it_says_the_same() -> None:
    machine = Machine(usable=4)
    machine.run(60, own=0.0, others=1.0)
    machine.all_s += 100.0
    assert machine.free() == pytest.approx(3.0, abs=0.05)


def test_the_machine_counts_what_this_process_does() -> None:
    used_s = UsedCpu()
    own_before_s, all_before_s = used_s(), machine_cpu_s()
    while used_s() - own_before_s < 0.2:
        pass
    assert machine_cpu_s() - all_before_s >= 0.15


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
    used_s = UsedCpu(clock=lambda: now_s)
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
