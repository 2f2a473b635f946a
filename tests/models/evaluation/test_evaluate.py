"""The evaluation prints what jiwer counts, for every way of recognition."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from models.evaluation.calibrate import calibrate
from models.evaluation.evaluate import evaluate
from models.evaluation.tune import tune
from models.evaluation.wer import error_rates
from models.package import open_package
from models.training.data import MANIFEST_COLUMNS


@pytest.fixture
def corpus(tmp_path: Path, make_babble: Callable[[float, int], bytes]) -> Path:
    rows = ["\t".join(MANIFEST_COLUMNS)]
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.wav", np.frombuffer(make_babble(3.0, number), "<i2"), 16_000)
        rows.append(f"u{number}\t{number}.wav\t3.0\ts\tbabble\tTHE RAIN IN SPAIN")
    (tmp_path / "manifest.tsv").write_text("\n".join(rows) + "\n")
    return tmp_path


def run(command: Callable[..., None], *arguments: str) -> str:
    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    return done.output


def test_rates_are_percent_of_words_and_characters() -> None:
    rates = error_rates(["the rain in spain", "no"], ["the train spain", "no no"])
    assert (rates.substitutions, rates.deletions, rates.insertions) == (1, 1, 1)
    assert rates.wer == pytest.approx(100 * 3 / 5)


def test_every_way_of_recognition_is_measured_and_written(corpus: Path, tiny_package: Path) -> None:
    output = corpus / "out" / "rates.json"
    printed = run(evaluate, f"--data={corpus}", f"--model={tiny_package}", f"--output={output}", "--jobs=1")
    rates = json.loads(output.read_text())
    assert list(rates) == [
        "final, with language model",
        "whole utterance, greedy",
        *(
            way
            for latency in (160, 320, 640, 1280)
            for way in (f"interim at {latency} ms", f"chunks of {latency} ms, greedy")
        ),
    ]
    assert all(way in printed for way in rates)
    assert "that did not stay: " in printed
    assert len(output.with_suffix(".tsv").read_text().splitlines()) == 4


def test_tuning_tries_every_combination_and_writes_the_best(corpus: Path, tiny_package: Path, tmp_path: Path) -> None:
    package = shutil.copytree(tiny_package, tmp_path / "package")
    grid = ("--weights=0.5 1.0", "--bonuses=-1.0 0.0", "--penalties=0.0 0.5")
    printed = run(tune, f"--data={corpus}", f"--model={package}", *grid, "--write", "--jobs=1")
    rows = [[float(c) for c in line.split("│")[1:7]] for line in printed.splitlines() if line.startswith("│")]
    assert len({tuple(row[:5]) for row in rows}) == 8
    assert [row[5] for row in rows] == sorted(row[5] for row in rows)
    tuning = open_package(package).config.decoding
    assert [tuning.language_model_weight, tuning.word_bonus, tuning.blank_penalty] == rows[0][2:5]


def test_calibrating_writes_the_numbers_and_draws_the_words(corpus: Path, tiny_package: Path, tmp_path: Path) -> None:
    package = shutil.copytree(tiny_package, tmp_path / "package")
    picture = tmp_path / "words.png"
    options = (f"--data={corpus}", f"--check={corpus}", "--latency-ms=640")
    printed = run(calibrate, *options, f"--model={package}", "--write", f"--picture={picture}")
    assert "stability" in printed
    before, after = (open_package(folder).config.decoding for folder in (tiny_package, package))
    assert after.word_confidence_offset != before.word_confidence_offset
    assert picture.read_bytes().startswith(b"\x89PNG")
