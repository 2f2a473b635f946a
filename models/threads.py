"""How many CPU threads one operation of the model uses. Imports nothing, as a part of it must come before torch."""

from __future__ import annotations

import os


def thread_count(wanted: int) -> int:
    """0: half of the cores of this process; the service has the rest."""
    return wanted or max(1, len(os.sched_getaffinity(0)) // 2)


def limit_threads(wanted: int) -> None:
    """For a process of many threads that compute. Call it before torch is imported for the first time.

    OpenMP counts for each thread that calls it, and torch.set_num_threads reaches the calling one only: the others
    would take all cores, and wait for each other at every step.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(thread_count(wanted)))
