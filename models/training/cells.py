"""What the gates buy: `python -m models.training.cells` trains LSTM, GRU and plain RNN with as many weights, alike.

Writes how far back the gradients of each reach, before and after training, and prints what each has learned.
"""

from __future__ import annotations

import csv
import logging
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import matplotlib
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

matplotlib.use("Agg")

from matplotlib import pyplot

from models.acoustic.model import AcousticConfig, AcousticModel
from models.acoustic.recurrent import CELLS
from models.acoustic.state import STEP_S
from models.training.batches import plan_epoch
from models.training.gradient_lag import gradient_norms
from models.training.recipe import read_recipe
from models.training.run_log import read_rows
from models.training.train import Trainer

_LAGS = 41
_UTTERANCES = 16  # the gradients are averaged over so many of the development set
_TIMED_UPDATES = 5
_CHECKPOINT_MINUTES = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One cell after its training.

    log: a row for each epoch, as strings. before, after: gradient norms [L, lags] of random and of trained weights.
    seconds: of the processor, for the forward and backward pass of one update.
    """

    cell: str
    hidden: int
    weights: int
    log: Sequence[dict[str, str]]
    before: Tensor
    after: Tensor
    seconds: float


def weight_count(config: AcousticConfig) -> int:
    """How many numbers a model learns."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in AcousticModel(config).parameters())


def with_cell(config: AcousticConfig, cell: str) -> AcousticConfig:
    """The same architecture with another cell, and as many units as give it as many weights."""
    sizes = [replace(config, cell=cell, hidden=hidden) for hidden in range(1, 5 * config.hidden)]
    larger = bisect_left(sizes, weight_count(config), key=weight_count)
    return min(sizes[larger - 1 : larger + 1], key=lambda own: abs(weight_count(own) - weight_count(config)))


def cells(
    data: Annotated[Path, typer.Option(help="folder that holds the recipe's corpora")],
    output: Annotated[Path, typer.Option(help="folder of the three runs; run it again to resume")],
    picture: Annotated[Path, typer.Option(help="PNG of the gradients and error rates; a CSV comes beside it")],
    recipe: Annotated[Path, typer.Option(help="recipe file (TOML)")] = Path(__file__).parent / "recipes" / "cells.toml",
) -> None:
    """Train the three cells one after the other, then compare them."""
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    outcomes = [_outcome(cell, recipe, data, output) for cell in CELLS]
    _write(outcomes, picture.with_suffix(".csv"))
    _draw(outcomes, picture)
    table = Table()
    for heading in ("cell", "hidden", "weights", "updates", "dev loss", "PER %", "CER %", "WER %", "s an update"):
        table.add_column(heading, justify="right")
    for own in outcomes:
        last = own.log[-1]
        rates = [f"{100 * float(last[name]):.1f}" for name in ("dev_per", "dev_cer", "dev_wer")]
        sizes = [str(own.hidden), f"{own.weights:,}", last["update"]]
        table.add_row(own.cell, *sizes, last["dev_loss"], *rates, f"{own.seconds:.3f}")
    Console().print(table)


def _outcome(cell: str, path: Path, data: Path, output: Path) -> Outcome:
    recipe = read_recipe(path)
    recipe = replace(recipe, model=with_cell(recipe.model, cell))
    run = output / cell
    run.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(recipe, data, run, output / "cache", torch.device("cpu"))
    trainer.train(_CHECKPOINT_MINUTES)
    dev = trainer.corpora.dev
    longest = sorted(range(len(dev)), key=lambda i: -dev[i].seconds)[:_UTTERANCES]
    batch = trainer.corpora.dev_batches.make(longest)
    config = trainer.model.config
    torch.manual_seed(trainer.seed)  # as the run began, resumed or not
    before, after = (
        gradient_norms(model, batch.frames, batch.frame_lengths, _LAGS)
        for model in (AcousticModel(config), trainer.averaged)
    )
    seconds = _update_seconds(trainer)
    return Outcome(cell, config.hidden, weight_count(config), read_rows(run), before, after, seconds)


def _update_seconds(trainer: Trainer) -> float:
    seconds = [utterance.seconds for utterance in trainer.corpora.train]
    batch = trainer.corpora.batches.make(plan_epoch(seconds, trainer.recipe.schedule.batch_seconds, seed=0)[0])
    begun = time.process_time()
    for _ in range(_TIMED_UPDATES):
        trainer.forward(batch, None, 1.0).backward()
    return (time.process_time() - begun) / _TIMED_UPDATES


def _write(outcomes: Sequence[Outcome], file: Path) -> None:
    """A row for each lag, a column for each layer of each cell before and after training."""
    columns = {
        f"{own.cell} layer {layer} {when}": norms
        for own in outcomes
        for when, layers in (("before", own.before), ("after", own.after))
        for layer, norms in enumerate(layers.tolist(), start=1)
    }
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["lag", *columns])
        for lag, row in enumerate(zip(*columns.values(), strict=True)):
            writer.writerow([lag, *(f"{norm:.3g}" for norm in row)])


def _draw(outcomes: Sequence[Outcome], file: Path) -> None:
    layers = len(outcomes[0].after)
    figure, axes = pyplot.subplots(1, layers + 1, figsize=(4.2 * (layers + 1), 3.8), layout="constrained")
    for number, own in enumerate(outcomes):
        for axis, before, after in zip(axes, own.before, own.after, strict=False):
            axis.plot(before / before[0], color=f"C{number}", linestyle="--")
            axis.plot(after / after[0], color=f"C{number}", label=own.cell)
        updates = [int(row["update"]) for row in own.log]
        rates = [100 * float(row["dev_per"]) for row in own.log]
        axes[-1].plot(updates, rates, color=f"C{number}", marker="o", label=own.cell)
    for layer, axis in enumerate(axes[:-1], start=1):
        axis.set(title=f"layer {layer} (dashed: untrained)", xlabel=f"lag in steps of {1000 * STEP_S:.0f} ms")
        axis.set(yscale="log", ylim=(1e-6, 3))
    axes[0].set_ylabel("gradient norm, of that at lag 0")
    axes[-1].set(title="phone error rate on dev, %", xlabel="updates")
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


if __name__ == "__main__":
    typer.run(cells)
