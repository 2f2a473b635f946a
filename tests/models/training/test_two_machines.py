"""Two machines that share each batch train as one process with the whole batch does: the same loss curve."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.training.data import MANIFEST_COLUMNS
from models.training.pronunciations import PRONUNCIATIONS, write_pronunciations

ROOT = Path(__file__).parents[3]
TONES_HZ = {"a": 300, "e": 700, "o": 1500, "u": 3000}
UTTERANCE_S = 1.35
BATCH_UTTERANCES = 10
RECIPE = """
[data]
train = ["train"]
dev = "dev"

[model]
channels = 4
hidden = 24
layers = 1
dropout = 0.0

[augment]
speeds = [1.0]
gain_db = [0.0, 0.0]
noise_chance = 0.0
frequency_masks = 0
time_mask_frames = 0

[chunks]
share = 0.5
from_progress = 0.5
shapes = [[2, 2]]

[schedule]
epochs = 3
batch_seconds = {seconds}
grown_batch_seconds = {seconds}
learning_rate = 0.01
warmup_updates = 5
frame_weights = [1.0, 0.0]
average_decay = 0.5
"""


def write_corpus(folder: Path, utterances: int, seed: int) -> None:
    """Three tones each, so that the halves of a batch weigh the same whichever utterances are in them."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = ["\t".join(MANIFEST_COLUMNS)]
    for number in range(utterances):
        letters = random.choice(list(TONES_HZ), 3)
        pieces = [np.zeros(2_400)]
        for letter in letters:
            pieces += [0.3 * np.sin(2 * np.pi * TONES_HZ[letter] * np.arange(4_000) / 16_000), pieces[0]]
        audio = np.concatenate(pieces) + random.normal(0, 1e-3, sum(map(len, pieces)))
        soundfile.write(folder / f"{number}.wav", audio, 16_000, subtype="PCM_16")
        rows.append(f"u{number}\t{number}.wav\t{UTTERANCE_S:.2f}\ts\ttones\t{' '.join(letters).upper()}")
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def dev_losses(data: Path, output: Path, machines: int) -> list[float]:
    """Of each epoch of a run whose processes, one a machine, together work on BATCH_UTTERANCES at a time."""
    output.mkdir()
    write_pronunciations({letter: (letter,) for letter in TONES_HZ}, output / PRONUNCIATIONS)
    recipe = output.with_suffix(".toml")
    recipe.write_text(RECIPE.format(seconds=(BATCH_UTTERANCES / machines + 0.5) * UTTERANCE_S))
    launch = [
        *("torch.distributed.run", f"--nnodes={machines}", "--nproc-per-node=1", "--rdzv-backend=c10d"),
        *(f"--rdzv-endpoint=127.0.0.1:{free_port()}", "--local-addr=127.0.0.1", "-m"),
    ]
    train = ["models.training.train", recipe, "--data", data, "--output", output]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", *(launch if machines > 1 else []), *train],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for _ in range(machines)
    ]
    try:
        for process in running:
            said, _ = process.communicate(timeout=240)
            assert process.returncode == 0, said[-4000:]
    finally:
        for process in running:
            process.kill()
            process.wait()
    with (output / "log.csv").open() as file:
        return [float(row["dev_loss"]) for row in csv.DictReader(file)]


def test_the_loss_curve_of_two_machines_is_that_of_one(tmp_path: Path) -> None:
    write_corpus(tmp_path / "data" / "train", 60, seed=1)
    write_corpus(tmp_path / "data" / "dev", 8, seed=2)
    one = dev_losses(tmp_path / "data", tmp_path / "one", machines=1)
    two = dev_losses(tmp_path / "data", tmp_path / "two", machines=2)
    assert one[-1] < 0.8 * one[0], "a curve that does not fall would say nothing"
    assert two == pytest.approx(one, rel=0.01)
