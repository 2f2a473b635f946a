"""Sounds, and files of them as libsndfile writes them."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch

from models.audio import AudioDecoder
from models.types import AudioFormat

Ints = npt.NDArray[np.int16]
HEADED = AudioFormat()
SUBTYPES = {"FLAC": "PCM_16", "OGG": "OPUS", "WAV": "PCM_16"}


def _voice(seconds: float, rate_hz: int = 16_000, channels: int = 1) -> Ints:
    random = np.random.default_rng(3)
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    sweep = np.sin(2 * np.pi * (200 + 150 * time) * time) * (1 + np.sin(2 * np.pi * 3 * time)) / 2
    columns = [9_000 * np.roll(sweep, 997 * channel) + random.normal(0, 300, len(time)) for channel in range(channels)]
    return np.stack(columns, axis=1).round().astype(np.int16)


def _written(samples: Ints, container: str, rate_hz: int = 16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=container, subtype=SUBTYPES[container])
    return file.getvalue()


def _decoded(data: bytes, declared: AudioFormat = HEADED, cuts: tuple[int, ...] = (1000,)) -> torch.Tensor:
    decoder, pieces, at, turn = AudioDecoder(declared), [], 0, 0
    while at < len(data):
        cut = cuts[turn % len(cuts)]
        pieces += decoder.accept(data[at : at + cut])
        at, turn = at + cut, turn + 1
    pieces += decoder.finish()
    return torch.cat(pieces, dim=1) if pieces else torch.zeros(1, 0)


@pytest.fixture(scope="session")
def voice() -> Callable[..., Ints]:
    """`voice(seconds, rate_hz, channels)` -> [N, C]"""
    return _voice


@pytest.fixture(scope="session")
def written() -> Callable[..., bytes]:
    """`written(samples, container, rate_hz)`: the bytes of a file."""
    return _written


@pytest.fixture(scope="session")
def decoded() -> Callable[..., torch.Tensor]:
    """`decoded(data, declared, cuts)` -> [C, N]; cuts are the sizes of the pieces in turn."""
    return _decoded
