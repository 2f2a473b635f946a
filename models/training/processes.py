"""The processes of a torchrun that train one model together: who this one is, joining, waiting, agreeing, parting.

Without torchrun there is one process, and nothing waits.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True, slots=True)
class Processes:
    """rank: which one this is, from 0. world: how many there are."""

    rank: int
    world: int

    @classmethod
    def of_environment(cls) -> Processes:
        """As torchrun says."""
        return cls(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            distributed.barrier()

    def agree(self, value: float, device: torch.device) -> float:
        """The first process's value."""
        if self.world == 1:
            return value
        first = torch.tensor(value, dtype=torch.float64, device=device)
        distributed.broadcast(first, src=0)
        return float(first)

    @contextmanager
    def first_ahead(self) -> Iterator[None]:
        """What the first process writes to disk inside, the others find there."""
        if self.rank != 0:
            self.wait()
        yield
        if self.rank == 0:
            self.wait()


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Joins the other processes of a torchrun, if there are any, and leaves them at the end."""
    processes = Processes.of_environment()
    if processes.world > 1:
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield
        processes.wait()
    finally:
        if processes.world > 1:
            # What still holds the group would end gloo's threads while the interpreter goes down, which aborts it.
            gc.collect()
            distributed.destroy_process_group()
