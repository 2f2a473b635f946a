"""New lengths and new numbers of streams are rounded, so that they find what has been compiled for others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.shapes import rounded_up, sizes

PROGRAM = """
import sys
from pathlib import Path
from models.shapes import keep_compiled
keep_compiled()

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

def prepare(max_batch):
    recognizer.prepare(640, max_batch=max_batch)

def batch(count):
    streams = [recognizer.open_stream(PCM, RecognitionOptions()) for _ in range(count)]
    for stream in streams:
        stream.accept(noise[:16_000].tobytes())
    recognizer.advance(streams)

def say(_):
    print("NOW NOTHING NEW", flush=True)

for word in sys.argv[2].split():
    kind, number = word.split(":")
    {"prepare": prepare, "batch": batch, "utterance": utterance, "say": say}[kind](int(number))
"""


def test_sizes_are_rounded_up_to_few_and_not_far() -> None:
    rounded = {count: rounded_up(count) for count in range(1, 257)}
    assert all(rounded[count] == count for count in range(1, 9))
    assert all(count <= size <= count * 5 / 4 for count, size in rounded.items())
    assert len(set(rounded.values())) == 28
    assert sizes(256) == sorted(set(rounded.values()))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("batch:20 utterance:40", "batch:17 batch:18 utterance:33 utterance:34 utterance:39"),
        ("prepare:20", "batch:1 batch:7 batch:20 utterance:1 utterance:9 utterance:50"),
    ],
    ids=["known sizes", "prepared"],
)
def test_nothing_new_is_compiled_for(first: str, then: str, tiny_package: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tiny_package), f"{first} say:0 {then}"],
        env={**os.environ, "ONEDNN_VERBOSE": "profile_create"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    before, _, after = done.stdout.partition("NOW NOTHING NEW")
    assert "create:cache_miss" in before
    assert "create:cache_hit" in after
    assert "create:cache_miss" not in after
