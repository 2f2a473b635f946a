"""Trains an acoustic model by a recipe: `python -m models.training.train RECIPE --data DIR --output DIR`.

Resumes from the run's last checkpoint. Several processes: `torchrun --nproc-per-node N -m models.training.train ...`.
Making a model package out of a run is `export.py`'s job.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from models.acoustic.model import AcousticModel
from models.acoustic.state import ChunkShape
from models.training.batches import plan_epoch, share_of
from models.training.checkpoint import Learned, Position, resume, write_checkpoint
from models.training.corpora import open_corpora
from models.training.corpus_statistics import log_prior
from models.training.development import recognize
from models.training.loss import ForwardLoss
from models.training.optimizers import optimizers_of
from models.training.processes import Processes, joined
from models.training.recipe import Recipe, read_recipe
from models.training.run_log import append_row
from models.training.schedule import learning_rate
from models.training.start import read_start

log = logging.getLogger(__name__)


class Trainer:
    """One process of a run: model, optimizer, averaged weights, position in the data."""

    def __init__(
        self,
        recipe: Recipe,
        data: Path,
        run: Path,
        cache: Path,
        device: torch.device,
        start: Path | None = None,
    ) -> None:
        """start: a run or a model package to begin with: averaged weights, letters, phones and features."""
        self.recipe, self.run, self.device = recipe, run, device
        self.processes = Processes.of_environment()
        self.start = read_start(start) if start is not None else None
        self.corpora = open_corpora(recipe, data, run, cache, self.start, self.processes, device)

        # Were it the same in each stage, a stage would hear the same batches with the same noises as the one before.
        self.seed = recipe.schedule.seed + (self.start.fingerprint if self.start else 0)
        torch.manual_seed(self.seed)
        config = replace(
            recipe.model,
            vocabulary=len(self.corpora.vocabulary),
            phones=1 + len(self.corpora.phones),
            mel_bins=recipe.features.mel_bins,
        )
        self.model = AcousticModel(config).to(device)
        if self.start:
            self.start.load_into(self.model)
        self.averaged = AcousticModel(config).to(device).eval()
        self.averaged.load_state_dict(self.model.state_dict())

        prior = log_prior(self.corpora.batches, len(self.corpora.train), config.phones, recipe.schedule.seed)
        self.forward: torch.nn.Module = ForwardLoss(
            self.model, prior, consistency_weight=recipe.schedule.consistency_weight
        )
        if self.processes.world > 1:
            self.forward = DistributedDataParallel(self.forward)
        self.optimizers = optimizers_of(self.forward, config.cell, recipe.schedule)

        self.learned = Learned(self.model, self.averaged, self.optimizers)
        position = resume(run, self.learned, device)
        if position.update:
            log.info("resuming %s at epoch %d, update %d", run, position.epoch + 1, position.update)
        self.epoch, self.update, self.done_in_epoch = position.epoch, position.update, position.done_in_epoch
        self.minutes_before = position.minutes
        self.started = time.monotonic()

    def train(self, checkpoint_minutes: float) -> None:
        """Runs to the recipe's last epoch, writing a checkpoint every so often and a log row after every epoch."""
        schedule = self.recipe.schedule
        last_checkpoint = time.monotonic()
        while self._done(0.0) < 1.0:
            plan = self._plan(self.epoch)
            losses: list[float] = []
            with self._progress(len(plan)) as progress:
                task = progress.add_task(f"epoch {self.epoch + 1}/{schedule.epochs}", total=len(plan), loss=0.0)
                progress.update(task, completed=self.done_in_epoch)
                for indices in plan[self.done_in_epoch :]:
                    at = self._done(self.done_in_epoch / len(plan))
                    if at >= 1.0:
                        break
                    losses.append(self._step(indices, at))
                    self.done_in_epoch += 1
                    progress.update(task, advance=1, loss=float(np.mean(losses[-50:])))
                    if self.update % 100 == 0:
                        log.info("epoch %d update %d loss %.3f", self.epoch + 1, self.update, np.mean(losses[-100:]))
                    if time.monotonic() - last_checkpoint > checkpoint_minutes * 60:
                        self._save()
                        last_checkpoint = time.monotonic()
            self.epoch, self.done_in_epoch = self.epoch + 1, 0
            is_over = self._done(0.0) >= 1.0
            if self.processes.rank == 0:
                self._save()
                if is_over or self.epoch % schedule.report_epochs == 0:
                    self._report(float(np.mean(losses)) if losses else float("nan"))
            self.processes.wait()

    def _done(self, of_epoch: float) -> float:
        """How much of the run is done, 0 to 1: of its epochs, or of its time if that is sooner over."""
        schedule = self.recipe.schedule
        done = (self.epoch + of_epoch) / schedule.epochs
        if schedule.minutes:
            done = max(done, self._minutes() / schedule.minutes)
        return self.processes.agree(done, self.device)  # clocks differ, and all have to stop at the same update

    def _plan(self, epoch: int) -> list[list[int]]:
        schedule = self.recipe.schedule
        grown = epoch >= schedule.grow_after_epochs
        seed = self.seed * 1000 + epoch
        shares = self.recipe.data.shares
        utterances = self.corpora.train
        chances = np.random.default_rng(seed).random(len(utterances))
        seen = [i for i, u in enumerate(utterances) if chances[i] < shares.get(u.corpus, 1.0)]
        batches = plan_epoch(
            [utterances[i].seconds for i in seen],
            (schedule.grown_batch_seconds if grown else schedule.batch_seconds) / self.corpora.batches.views,
            seed=seed,
            world=self.processes.world,
            short_first=epoch == 0 and not self.start,
        )
        return [[seen[i] for i in batch] for batch in share_of(batches, self.processes.rank, self.processes.world)]

    def _step(self, indices: list[int], progress: float) -> float:
        schedule = self.recipe.schedule
        number = self.update * self.processes.world + self.processes.rank
        batch = self.corpora.batches.make(indices, seed=(self.seed, number)).to(self.device)
        rate = learning_rate(self.update, progress, schedule)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
        self.model.train()
        with self._autocast():
            realign = progress >= schedule.realign_from_progress
            loss: Tensor = self.forward(batch, self._shape(progress), self._frame_weight(progress), realign)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.forward.parameters(), schedule.gradient_clip)
        if torch.isfinite(norm):
            for optimizer in self.optimizers:
                optimizer.step()
        self.update += 1
        # A young average follows closely, or it would remember the random weights of the beginning.
        decay = min(schedule.average_decay, (1 + self.update) / (10 + self.update))
        with torch.no_grad():
            for mean, now in zip(self.averaged.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
        return float(loss.detach())

    def _frame_weight(self, progress: float) -> float:
        first, last = self.recipe.schedule.frame_weights
        return first + progress * (last - first)

    def _shape(self, progress: float) -> ChunkShape | None:
        chunks = self.recipe.chunks
        random = np.random.default_rng(self.update)  # the same on every process: ranks wait for the slowest
        if progress < chunks.from_progress or random.random() >= chunks.share:
            return None
        return ChunkShape(*chunks.shapes[random.integers(len(chunks.shapes))])

    def _report(self, train_loss: float) -> None:
        own = self.corpora
        rates = recognize(self.averaged, own.dev, own.dev_batches, own.vocabulary, self.device)
        rate = self.optimizers[0].param_groups[0]["lr"]
        append_row(self.run, self._position(), learning_rate=rate, train_loss=train_loss, dev=rates)

    def _autocast(self) -> Any:
        if self.recipe.schedule.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _progress(self, total: int) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"),
            TimeRemainingColumn(),
            disable=self.processes.rank != 0 or total == 0,
        )

    def _minutes(self) -> float:
        return self.minutes_before + (time.monotonic() - self.started) / 60

    def _position(self) -> Position:
        return Position(self.epoch, self.update, self.done_in_epoch, self._minutes())

    def _save(self) -> None:
        if self.processes.rank == 0:
            features, phones = self.corpora.features, self.corpora.phones
            write_checkpoint(self.run, self.learned, self._position(), features=features, phones=phones)


def main(
    recipe: Annotated[Path, typer.Argument(help="recipe file (TOML)")],
    data: Annotated[Path, typer.Option(help="folder that holds the recipe's corpora")],
    output: Annotated[Path, typer.Option(help="folder of this run: checkpoint, log, units")],
    begin_with: Annotated[
        Path | None, typer.Option(help="run or model package whose weights a new run begins with")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="folder for decoded audio (default: OUTPUT/cache)")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N; with torchrun, cuda takes one GPU a process")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads of each process")] = 1,
    checkpoint_minutes: Annotated[float, typer.Option(help="minutes between checkpoints")] = 5.0,
) -> None:
    """Train an acoustic model; run it again to resume."""
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("high")  # on a GPU: TF32
    output.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[RichHandler(show_path=False)])
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    with joined(device):
        where = torch.device(device)
        # No name for it: nothing of it may be left when the processes part.
        Trainer(
            read_recipe(recipe),
            data,
            output,
            cache or output / "cache",
            where,
            start=begin_with,
        ).train(checkpoint_minutes)


if __name__ == "__main__":
    typer.run(main)
