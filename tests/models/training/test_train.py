"""A tiny model trains in seconds: its loss falls, a run resumes, and its package loads."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import typer
from typer.testing import CliRunner

from models.errors import DataError
from models.features import FeatureConfig
from models.package import CARD, LANGUAGE_MODEL
from models.recognizer import Recognizer
from models.training.data import MANIFEST_COLUMNS, AudioStore, normalize_transcript, read_corpus, read_librispeech
from models.training.export import export
from models.training.pronunciations import PRONUNCIATIONS, write_pronunciations
from models.training.recipe import read_recipe
from models.training.start import Start

ROOT = Path(__file__).parents[3]
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
noise_chance = 0.0
frequency_masks = 0
time_mask_frames = 0

[chunks]
share = 0.5
from_progress = 0.5
shapes = [[2, 2]]

[schedule]
epochs = {epochs}
batch_seconds = 8.0
grown_batch_seconds = 8.0
learning_rate = 0.01
warmup_updates = 5
frame_weights = [1.0, 0.0]
average_decay = 0.5
"""
TONES_HZ = {"a": 300, "e": 700, "o": 1500, "u": 3000}


def write_corpus(folder: Path, utterances: int, seed: int) -> None:
    """Words are tones: a language that a tiny model can learn."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = ["\t".join(MANIFEST_COLUMNS)]
    for number in range(utterances):
        letters = random.choice(list(TONES_HZ), int(random.integers(2, 5)))
        pause = np.zeros(2_400)
        pieces = [pause]
        for letter in letters:
            pieces += [0.3 * np.sin(2 * np.pi * TONES_HZ[letter] * np.arange(4_000) / 16_000), pause]
        audio = np.concatenate(pieces) + random.normal(0, 1e-3, sum(map(len, pieces)))
        soundfile.write(folder / f"{number}.wav", audio, 16_000, subtype="PCM_16")
        rows.append(f"u{number}\t{number}.wav\t{len(audio) / 16_000:.2f}\ts\ttones\t{' '.join(letters).upper()}")
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")


def train(data: Path, output: Path, epochs: int, processes: int = 1, start: Path | None = None) -> list[dict[str, str]]:
    output.mkdir(parents=True, exist_ok=True)
    # Each word is one sound. With its pronunciations at hand a run does not need espeak-ng.
    write_pronunciations({letter: (letter,) for letter in TONES_HZ}, output / PRONUNCIATIONS)
    recipe = output.parent / f"recipe{epochs}.toml"
    recipe.write_text(RECIPE.format(epochs=epochs))
    launch = (
        ["-m"]
        if processes == 1
        else ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    )
    done = subprocess.run(
        [
            *(sys.executable, *launch, "models.training.train", recipe, "--data", data, "--output", output),
            *(("--begin-with", start) if start else ()),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    with (output / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tones")
    write_corpus(folder / "train", 60, seed=1)
    write_corpus(folder / "dev", 8, seed=2)
    return folder


def test_the_loss_falls_and_a_run_resumes_where_it_stopped(tones: Path, tmp_path: Path) -> None:
    first = train(tones, tmp_path / "run", epochs=3)
    both = train(tones, tmp_path / "run", epochs=12)
    assert both[: len(first)] == first, "resuming must not repeat epochs"
    assert [row["epoch"] for row in both] == [str(epoch) for epoch in range(1, 13)]
    assert float(both[-1]["dev_loss"]) < 0.7 * float(both[0]["dev_loss"])


def test_a_run_begins_with_the_weights_of_another(tones: Path, tmp_path: Path) -> None:
    first = train(tones, tmp_path / "run", epochs=12)
    second = train(tones, tmp_path / "tuned", epochs=1, start=tmp_path / "run")
    assert float(second[0]["train_loss"]) < 0.7 * float(first[0]["train_loss"])


def test_a_run_becomes_a_package_that_loads_and_can_be_trained_on(
    tones: Path, tmp_path: Path, tiny_package: Path
) -> None:
    train(tones, tmp_path / "run", epochs=1)
    (tmp_path / "lm").mkdir()
    shutil.copy(tmp_path / "run" / PRONUNCIATIONS, tmp_path / "lm")
    shutil.copy(tiny_package / LANGUAGE_MODEL, tmp_path / "lm")
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(300), 16_000)
    app = typer.Typer()
    app.command()(export)
    options = {
        "run": tmp_path / "run",
        "language-model": tmp_path / "lm",
        "card": tiny_package / CARD,
        "self-test": silence,
        "self-test-text": "",
        "output": tmp_path / "tones",
    }
    done = CliRunner().invoke(app, [f"--{name}={value}" for name, value in options.items()])
    assert done.exit_code == 0, done.output
    assert Recognizer.load(tmp_path / "tones", "cpu").name == "tones"
    (row,) = train(tones, tmp_path / "tuned", epochs=1, start=tmp_path / "tones")
    assert row["epoch"] == "1"


def test_two_processes_train_one_model(tones: Path, tmp_path: Path) -> None:
    rows = train(tones, tmp_path / "run", epochs=3, processes=2)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["dev_loss"]) < float(rows[0]["dev_loss"])


def test_a_recipe_with_an_unknown_key_or_cell_is_refused(tmp_path: Path) -> None:
    for text, sentence in (
        ("[model]\nlayer = 3\n", "unknown keys"),
        ("[modle]\n", "unknown sections"),
        ("[model\n", "not valid TOML"),
        ('[model]\ncell = "ltsm"\n', "use one of"),
    ):
        (tmp_path / "r.toml").write_text(text)
        with pytest.raises(DataError, match=sentence):
            read_recipe(tmp_path / "r.toml")
    with pytest.raises(DataError, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")


def test_the_bundled_recipes_are_valid() -> None:
    recipes = list((ROOT / "models" / "training" / "recipes").glob("*.toml"))
    assert recipes
    for recipe in recipes:
        read_recipe(recipe)


def test_a_librispeech_tree_is_a_corpus(tmp_path: Path) -> None:
    chapter = tmp_path / "train-x" / "19" / "198"
    chapter.mkdir(parents=True)
    soundfile.write(chapter / "19-198-0000.flac", np.zeros(16_000), 16_000)
    (chapter / "19-198.trans.txt").write_text("19-198-0000 NORTHANGER ABBEY\n")
    (utterance,) = read_corpus(tmp_path / "train-x")
    assert (utterance.transcript, utterance.speaker, utterance.seconds) == ("northanger abbey", "19", 1.0)
    assert len(AudioStore.open([utterance], tmp_path / "cache")[0]) == 16_000


def test_a_folder_without_speech_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_corpus(tmp_path / "none")
    with pytest.raises(DataError, match=r"holds no SPEAKER/CHAPTER"):
        read_librispeech(tmp_path)


def test_transcripts_are_lowercase_letters_and_apostrophes() -> None:
    assert normalize_transcript("  It's  TWO—o'clock, Sir!") == "it's two o'clock sir"


def test_a_stage_that_goes_on_does_not_hear_the_same_batches_again(tmp_path: Path) -> None:
    begun = []
    for scale in (1.0, 1.0, 0.5):
        weights = {"head.weight": torch.full((2, 2), scale), "head.bias": torch.zeros(2)}
        begun.append(Start(weights, tmp_path / "units.model", (), FeatureConfig()).fingerprint)
    assert begun[0] == begun[1], "resumed, a stage goes on with its own"
    assert begun[0] != begun[2]
