"""The tiny model of tests/models, and a folder of recordings for it."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.models import conftest as tiny_model

ROOT = Path(__file__).parents[3]

tiny_package = tiny_model.tiny_package


def noise(seed: int, seconds: float = 1.0) -> bytes:
    """A WAV file's bytes are the same for the same seed."""
    import io

    samples = np.random.default_rng(seed).normal(0, 3000, int(16_000 * seconds)).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(samples.tobytes())
    return file.getvalue()


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder with recordings, one of them in a folder, and one file that is none."""
    folder = tmp_path / "recordings"
    for number, name in enumerate(["one.wav", "two.wav", "inner/three.wav"]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(noise(number))
    (folder / "notes.txt").write_text("no recording")
    return folder


@pytest.fixture
def command(tiny_package: Path) -> Callable[..., list[str]]:
    """The command line of `batch` with the tiny model."""
    return lambda *arguments: [
        *(sys.executable, "-m", "service", "batch", "--model", str(tiny_package), "--device", "cpu"),
        *map(str, arguments),
    ]


@pytest.fixture
def environment() -> dict[str, str]:
    """Of the command, and of what it starts."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])
    return {**os.environ, "PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture
def batch(
    command: Callable[..., list[str]], environment: dict[str, str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command to its end."""
    return lambda *arguments: subprocess.run(
        command(*arguments), env=environment, capture_output=True, text=True, timeout=120
    )
