"""Chooses the weights of the beam search on a development set: `python -m models.evaluation.tune --data FOLDER`.

Prints a grid of word error rates; with --write the package takes the best. Never point it at a test set.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from models.decoding.beam import BeamDecoder
from models.evaluation.emissions import phone_log_probs
from models.evaluation.wer import error_rates
from models.package import DecodingConfig, Package, find_package, open_package, write_checksums, write_config
from models.training.data import read_corpus

_TRIED = ("beam_size", "beam_threshold", "language_model_weight", "word_bonus", "blank_penalty")

_decoder: BeamDecoder | None = None
_log_probs: list[Tensor] = []


def _prepare(package: Package, log_probs: list[Tensor]) -> None:
    global _decoder, _log_probs  # one a process
    _decoder = BeamDecoder(package)
    _log_probs = log_probs


def _texts(tuning: DecodingConfig) -> list[str]:
    assert _decoder is not None
    found = [_decoder.decode(log_probs, tuning=tuning) for log_probs in _log_probs]
    return [" ".join(hypothesis.text for hypothesis in hypotheses) for hypotheses in found]


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split()]


def tune(
    data: Annotated[Path, typer.Option(help="development corpus")],
    model: Annotated[str, typer.Option(help="name or path of the model package")] = "english",
    weights: Annotated[str, typer.Option(help="language-model weights to try")] = "1.0 1.5 2.0 2.5",
    bonuses: Annotated[str, typer.Option(help="word bonuses to try")] = "-1.0 0.0 1.0",
    penalties: Annotated[str, typer.Option(help="blank penalties to try")] = "0.0 0.5 1.0",
    beam_sizes: Annotated[str, typer.Option(help="beam sizes to try; default: the package's")] = "",
    thresholds: Annotated[str, typer.Option(help="beam thresholds to try; default: the package's")] = "",
    limit: Annotated[int, typer.Option(help="use every n-th utterance so that about this many remain")] = 200,
    jobs: Annotated[int, typer.Option(help="processes")] = 2,
    write: Annotated[bool, typer.Option("--write", help="put the best into the package")] = False,
) -> None:
    """Print the WER of every combination, best first."""
    torch.set_num_threads(1)
    package = open_package(find_package(model))
    utterances = read_corpus(data)
    utterances = utterances[:: max(1, len(utterances) // limit)]
    references = [utterance.transcript for utterance in utterances]
    log_probs = phone_log_probs(package, utterances)
    own = package.config.decoding
    beams = [int(beam) for beam in beam_sizes.split()] or [own.beam_size]
    widths = _numbers(thresholds) or [own.beam_threshold]
    grid = product(beams, widths, _numbers(weights), _numbers(bonuses), _numbers(penalties))
    tried: list[dict[str, Any]] = [dict(zip(_TRIED, values, strict=True)) for values in grid]
    tunings = [replace(own, **values) for values in tried]
    with ProcessPoolExecutor(jobs, initializer=_prepare, initargs=(package, log_probs)) as pool:
        rates = [error_rates(references, texts) for texts in pool.map(_texts, tunings)]
    table = Table(title=f"{len(utterances)} utterances of {data.name}")
    for heading in ("beam", "threshold", "weight", "bonus", "penalty", "WER %", "deleted", "inserted"):
        table.add_column(heading, justify="right")
    ranked = sorted(zip(rates, tunings, strict=True), key=lambda pair: pair[0].wer)
    for rate, tuning in ranked:
        settings = (str(getattr(tuning, name)) for name in _TRIED)
        table.add_row(*settings, f"{rate.wer:.2f}", str(rate.deletions), str(rate.insertions))
    Console().print(table)
    if write:
        write_config(package.folder, replace(package.config, decoding=ranked[0][1]))
        write_checksums(package.folder)


if __name__ == "__main__":
    typer.run(tune)
