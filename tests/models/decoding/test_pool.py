"""Decoding in other processes gives what decoding here gives, and survives the death of processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from models.decoding.beam import BeamDecoder
from models.decoding.pool import DecoderPool
from models.errors import DecodingFailed
from models.package import open_package


@pytest.fixture(scope="module")
def pool(tiny_package: Path) -> Iterator[DecoderPool]:
    pool = DecoderPool(tiny_package, 1)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def log_probs(tiny_package: Path) -> torch.Tensor:
    symbols = 1 + len(open_package(tiny_package).config.phones)
    return torch.randn(40, symbols, generator=torch.Generator().manual_seed(0)).log_softmax(-1)


def test_a_pool_decodes_as_the_decoder_does(pool: DecoderPool, tiny_package: Path, log_probs: torch.Tensor) -> None:
    decoder = BeamDecoder(open_package(tiny_package))
    assert pool.decode(log_probs) == decoder.decode(log_probs)


def test_a_process_that_dies_is_replaced(pool: DecoderPool, log_probs: torch.Tensor) -> None:
    before = pool.decode(log_probs)
    (process,) = multiprocessing.active_children()
    process.kill()
    process.join()
    assert pool.decode(log_probs) == before


class _Deadly:
    """Ends the process that unpacks it, as a crash in the decoder would."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (1,)


def test_work_that_kills_its_processes_fails_alone(tiny_package: Path, log_probs: torch.Tensor) -> None:
    pool = DecoderPool(tiny_package, 2)
    try:
        wanted = pool.decode(log_probs)
        with ThreadPoolExecutor(3) as threads:
            deadly = threads.submit(pool.decode, log_probs, hints=(_Deadly(),))  # type: ignore[arg-type]
            others = [threads.submit(pool.decode, log_probs) for _ in range(2)]
            with pytest.raises(DecodingFailed, match="end without a result"):
                deadly.result(60)
            assert [other.result(60) for other in others] == [wanted] * 2
        assert pool.decode(log_probs) == wanted
    finally:
        pool.close()
