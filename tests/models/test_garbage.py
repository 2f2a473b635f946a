"""What is settled is left out of collections, and cycles that come later are still found, soon."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref
from collections import deque
from models.garbage import collect, settle

class Cycle:
    def __init__(self):
        self.own = self

loaded = [[] for _ in range(1_000_000)]
old = Cycle()
settle()
assert gc.get_freeze_count() > 1_000_000

def most_alive(cycles, used):
    # Cycles that are used for a while and then forgotten: how many of them there are at most.
    in_use, seen, most = deque(maxlen=used), [], 0
    for number in range(cycles):
        cycle = Cycle()
        in_use.append(cycle)
        seen.append(weakref.ref(cycle))
        if number % 1000 == 0:
            seen = [ref for ref in seen if ref() is not None]
            most = max(most, len(seen))
    return most

most = most_alive(cycles=300_000, used=10_000)
assert most < 60_000, f"{most}: full collections wait as if the frozen objects were still to be visited"
ref = weakref.ref(old)
del old
collect()
assert ref() is None, "what was left out is never collected"
assert gc.get_freeze_count() > 1_000_000
"""


def test_what_is_settled_does_not_put_off_the_collection_of_what_comes_later() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
