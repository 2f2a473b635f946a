"""New lengths and new numbers of streams are rounded, so that they find what has been compiled for others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from models.shapes import rounded_up

PROGRAM = """
import sys
from pathlib import Path
from models.shapes import limit_caches
limit_caches()

import numpy as np
import torch
from models.acoustic.state import STEP_S
from models.package import open_package
from models.recognizer import Recognizer
from models.types import AudioFormat, Encoding, RecognitionOptions

recognizer = Recognizer(open_package(Path(sys.argv[1])), torch.device("cpu"))
PCM = AudioFormat(Encoding.LINEAR16, 16_000, 1)
noise = np.random.default_rng(0).normal(0, 3000, 16_000 * 4).astype("<i2")

def utterance(steps):
    audio = noise[: round((steps - 0.5) * STEP_S * 16_000) + 240].tobytes()
    stream = recognizer.open_stream(PCM, RecognitionOptions(interim=False))
    stream.accept(audio)
    stream.finish()
    recognizer.advance([stream])
    assert len(stream.final_log_probs) == 2 * steps

def batch(count):
    streams = [recognizer.open_stream(PCM, RecognitionOptions()) for _ in range(count)]
    for stream in streams:
        stream.accept(noise[:16_000].tobytes())
    recognizer.advance(streams)

batch(18)
utterance(36)
print("NOW NOTHING NEW", flush=True)
batch(17)
for steps in (33, 34, 35):
    utterance(steps)
"""


def test_sizes_are_rounded_up_to_few_and_not_far() -> None:
    sizes = {count: rounded_up(count) for count in range(1, 257)}
    assert all(sizes[count] == count for count in range(1, 17))
    assert all(count <= size <= count * 9 / 8 for count, size in sizes.items())
    assert len(set(sizes.values())) == 48


def test_a_new_length_and_a_new_number_of_streams_compile_nothing_new(tiny_package: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tiny_package)],
        env={**os.environ, "ONEDNN_VERBOSE": "profile_create"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, _, then = done.stdout.partition("NOW NOTHING NEW")
    assert "create:cache_miss" in first
    assert "create:cache_hit" in then
    assert "create:cache_miss" not in then
