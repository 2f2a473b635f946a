"""The three cells are compared at one size, and the comparison runs from audio to picture."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from models.acoustic.model import AcousticConfig
from models.acoustic.recurrent import CELLS
from models.training.cells import cells, weight_count, with_cell
from models.training.data import MANIFEST_COLUMNS
from models.training.pronunciations import PRONUNCIATIONS, write_pronunciations

RECIPE = """
[model]
channels = 2
hidden = 8
layers = 2

[schedule]
epochs = 1
batch_seconds = 20.0
"""
UTTERANCES, SECONDS = 6, 4


@pytest.mark.parametrize("cell", CELLS)
def test_models_that_are_compared_have_as_many_weights(cell: str) -> None:
    config = AcousticConfig(hidden=64, layers=2, channels=16)
    assert weight_count(with_cell(config, cell)) == pytest.approx(weight_count(config), rel=0.02)


def test_the_comparison_of_cells_runs_to_its_picture(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for corpus in ("train", "dev"):
        (tmp_path / corpus).mkdir()
        rows = ["\t".join(MANIFEST_COLUMNS)]
        for number in range(UTTERANCES):
            soundfile.write(tmp_path / corpus / f"{number}.wav", random.normal(0, 0.1, SECONDS * 16_000), 16_000)
            rows.append(f"u{number}\t{number}.wav\t{SECONDS}\ts\tnoise\tA E O")
        (tmp_path / corpus / "manifest.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    for cell in CELLS:
        (tmp_path / "runs" / cell).mkdir(parents=True)
        # With pronunciations at hand a run does not need espeak-ng.
        write_pronunciations({letter: (letter,) for letter in "aeo"}, tmp_path / "runs" / cell / PRONUNCIATIONS)
    app = typer.Typer()
    app.command()(cells)
    options = {"data": "", "output": "runs", "picture": "cells.png", "recipe": "recipe.toml"}
    done = CliRunner().invoke(app, [f"--{name}={tmp_path / own}" for name, own in options.items()])
    assert done.exit_code == 0, done.output
    assert all(cell in done.output for cell in CELLS)
    assert (tmp_path / "cells.png").stat().st_size > 0
    with (tmp_path / "cells.csv").open() as file:
        rows_by_lag = list(csv.DictReader(file))
    assert [int(row["lag"]) for row in rows_by_lag] == list(range(41))
    assert len(rows_by_lag[0]) == 1 + len(CELLS) * 2 * 2
    assert all(float(row["lstm layer 1 before"]) > 0 for row in rows_by_lag)
