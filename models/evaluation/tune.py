"""Chooses language-model weight and word bonus on a development set: `python -m models.evaluation.tune --data FOLDER`.

Prints a grid of word error rates; writes nothing. Never point it at a test set.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from models.decoding.beam import BeamDecoder
from models.evaluation.emissions import phone_log_probs
from models.evaluation.wer import error_rates
from models.package import DecodingConfig, Package, find_package, open_package
from models.training.data import read_corpus

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


def tune(
    data: Annotated[Path, typer.Option(help="development corpus")],
    model: Annotated[str, typer.Option(help="name or path of the model package")] = "english",
    weights: Annotated[str, typer.Option(help="language-model weights to try")] = "1.0 1.5 2.0 2.5",
    bonuses: Annotated[str, typer.Option(help="word bonuses to try")] = "-1.0 0.0 1.0",
    beam_sizes: Annotated[str, typer.Option(help="beam sizes to try")] = "50",
    limit: Annotated[int, typer.Option(help="use every n-th utterance so that about this many remain")] = 200,
    jobs: Annotated[int, typer.Option(help="processes")] = 2,
) -> None:
    """Print the WER of every combination, best first."""
    torch.set_num_threads(1)
    package = open_package(find_package(model))
    utterances = read_corpus(data)
    utterances = utterances[:: max(1, len(utterances) // limit)]
    references = [utterance.transcript for utterance in utterances]
    log_probs = phone_log_probs(package, utterances)
    tunings = [
        replace(
            package.config.decoding, beam_size=int(beam), language_model_weight=float(weight), word_bonus=float(bonus)
        )
        for beam, weight, bonus in product(beam_sizes.split(), weights.split(), bonuses.split())
    ]
    with ProcessPoolExecutor(jobs, initializer=_prepare, initargs=(package, log_probs)) as pool:
        rates = [error_rates(references, texts) for texts in pool.map(_texts, tunings)]
    table = Table(title=f"{len(utterances)} utterances of {data.name}")
    for heading in ("beam", "weight", "bonus", "WER %", "deleted", "inserted"):
        table.add_column(heading, justify="right")
    for rate, tuning in sorted(zip(rates, tunings, strict=True), key=lambda pair: pair[0].wer):
        settings = (tuning.beam_size, tuning.language_model_weight, tuning.word_bonus)
        table.add_row(*(str(s) for s in settings), f"{rate.wer:.2f}", str(rate.deletions), str(rate.insertions))
    Console().print(table)


if __name__ == "__main__":
    typer.run(tune)
