"""The tiny model of tests/models, and a folder of recordings for it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]


def _import_models_conftest() -> object:
    path = ROOT / "tests" / "models" / "conftest.py"
    spec = importlib.util.spec_from_file_location("hearken_models_conftest", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


tiny_package = _import_models_conftest().tiny_package  # type: ignore[attr-defined]


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
