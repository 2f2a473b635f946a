"""Beam search in processes of its own, because it holds Python's global lock while it runs.

Each process loads the lexicon; the language model is memory-mapped and shared. What is decoded when is the caller's.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.decoding.beam import BeamDecoder, Hypothesis
from models.decoding.phrases import Phrase
from models.errors import DecodingFailed
from models.garbage import settle
from models.package import DecodingConfig, open_package

log = logging.getLogger(__name__)

_TRIES_WITH_OTHERS = 2
_LOADING_LIMIT_S = 120.0  # then a process has died while loading, and the pool counts as broken


class DecoderPool:
    """As `BeamDecoder`, for many threads at a time. A process that dies is replaced, and its work done again.

    The executor cannot tell whose work ended a process and gives up all that it had. So all of it is tried once more
    with the others, and what is caught in a second death is tried alone: the guilty one fails, the others do not.
    """

    def __init__(self, folder: Path, processes: int) -> None:
        """Starts the processes; they load on their own while the caller goes on."""
        self._folder = folder
        self._processes = processes
        self._lock = threading.Lock()  # guards the replacement of a broken pool
        self._pool = self._new_pool(processes)
        self._alone = threading.Lock()  # held by the work that is tried alone; guards the pool for it
        self._pool_for_one: ProcessPoolExecutor | None = None

    def decode(
        self, log_probs: Tensor, *, count: int = 1, tuning: DecodingConfig | None = None, hints: tuple[Phrase, ...] = ()
    ) -> list[Hypothesis]:
        """As `BeamDecoder.decode`; waits without holding the global lock. Raises DecodingFailed if even a process
        of its own dies over this.
        """
        work = (log_probs.numpy(), count, tuning, hints)
        for _ in range(_TRIES_WITH_OTHERS):
            pool = self._pool
            try:
                return pool.submit(_decode, *work).result()
            except BrokenProcessPool:
                self._replace(pool)
        return self._decode_alone(work)

    def close(self) -> None:
        """Ends the processes."""
        self._pool.shutdown(cancel_futures=True)
        if self._pool_for_one is not None:
            self._pool_for_one.shutdown(cancel_futures=True)

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is broken:
                log.warning("a decoder process died; starting new ones")
                self._pool = self._new_pool(self._processes)

    def _decode_alone(self, work: tuple[Any, ...]) -> list[Hypothesis]:
        with self._alone:
            pool = self._pool_for_one = self._pool_for_one or self._new_pool(1)
            try:
                return pool.submit(_decode, *work).result()
            except BrokenProcessPool as error:
                self._pool_for_one = None
                raise DecodingFailed(
                    "the processes that decode this utterance end without a result; report it with the server's log"
                ) from error

    def _new_pool(self, processes: int) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")  # forking a process with threads may deadlock
        all_loaded = context.Barrier(processes, timeout=_LOADING_LIMIT_S)
        pool = ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(self._folder, all_loaded))
        for _ in range(processes):
            pool.submit(_nothing)  # a process is started by work; a caller would wait seconds for it to load
        return pool


_decoder: BeamDecoder | None = None  # one a process


def _begin(folder: Path, all_loaded: Barrier) -> None:
    global _decoder
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends its processes itself
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _decoder = BeamDecoder(open_package(folder))
    settle()
    all_loaded.wait()


def _nothing() -> None:
    pass


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _decode(
    log_probs: npt.NDArray[np.float32], count: int, tuning: DecodingConfig | None, hints: tuple[Phrase, ...]
) -> list[Hypothesis]:
    assert _decoder is not None
    return _decoder.decode(torch.from_numpy(log_probs), count=count, tuning=tuning, hints=hints)
