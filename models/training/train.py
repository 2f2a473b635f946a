"""Trains an acoustic model by a recipe: `python -m models.training.train RECIPE --data DIR --output DIR`.

Resumes from the run's last checkpoint. Several processes: `torchrun --nproc-per-node N -m models.training.train ...`.
Making a model package out of a run is `export.py`'s job.
"""

from __future__ import annotations

import csv
import gc
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from models.acoustic.model import AcousticModel
from models.acoustic.recurrent import GATES
from models.acoustic.state import ChunkShape
from models.features import LogMel
from models.package import UNITS
from models.training.batches import UNKNOWN_LABEL, BatchMaker, Targets, plan_epoch, samples_of, share_of
from models.training.data import AudioStore, Utterance, read_corpus, select
from models.training.development import recognize
from models.training.loss import ForwardLoss
from models.training.muon import Muon
from models.training.pronunciations import (
    PRONUNCIATIONS,
    Pronunciations,
    phone_set,
    pronounce,
    read_pronunciations,
    write_pronunciations,
)
from models.training.recipe import Recipe, read_recipe
from models.training.schedule import learning_rate
from models.training.start import read_start
from models.training.units import train_units
from models.vocabulary import Vocabulary

log = logging.getLogger(__name__)

_SAMPLE_UTTERANCES = 500  # enough to know each band's mean and spread, and how frequent each phone is
_LOG_COLUMNS = (
    "minutes",
    "epoch",
    "update",
    "learning_rate",
    "train_loss",
    "dev_loss",
    "dev_wer",
    "dev_cer",
    "dev_per",
)


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
        self.start = read_start(start) if start is not None else None
        # Were it the same in each stage, a stage would hear the same batches with the same noises as the one before.
        self.seed = recipe.schedule.seed + (self.start.fingerprint if self.start else 0)
        self.recipe, self.run, self.device = recipe, run, device
        self.rank = int(os.environ.get("RANK", "0"))
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        keep = recipe.data
        corpora = [
            select(
                read_corpus(data / name),
                lambda u: keep.min_seconds <= u.seconds <= keep.max_seconds and bool(u.transcript),
            )
            for name in keep.train
        ]
        self.utterances: list[Utterance] = [u for corpus in corpora for u in corpus]
        dev = read_corpus(data / keep.dev)
        self.dev = dev[:: max(1, len(dev) // keep.dev_utterances)]
        with self._rank_zero_first():
            self.vocabulary = self._vocabulary()
            self.pronunciations = self._pronunciations()
            jobs = os.cpu_count() or 1
            train_store = AudioStore.joined(AudioStore.open(corpus, cache, jobs=jobs) for corpus in corpora)
            dev_store = AudioStore.open(self.dev, cache)
        self.features = self.start.features if self.start else self._normalization(train_store)
        log_mel = LogMel(self.features)
        self.phones = self.start.phones if self.start else phone_set(self.pronunciations)
        targets = Targets(self.vocabulary, self.pronunciations, self.phones)
        per_step = recipe.model.outputs_per_step
        self.batches = BatchMaker(
            self.utterances,
            train_store,
            targets,
            log_mel,
            recipe.augment,
            outputs_per_step=per_step,
            views=2 if recipe.schedule.consistency_weight else 1,
        )
        self.dev_batches = BatchMaker(self.dev, dev_store, targets, log_mel, outputs_per_step=per_step)

        torch.manual_seed(self.seed)
        config = replace(
            recipe.model,
            vocabulary=len(self.vocabulary),
            phones=1 + len(self.phones),
            mel_bins=recipe.features.mel_bins,
        )
        self.model = AcousticModel(config).to(device)
        if self.start:
            self._begin_with(self.start.weights)
        self.averaged = AcousticModel(config).to(device).eval()
        self.averaged.load_state_dict(self.model.state_dict())
        self.forward: torch.nn.Module = ForwardLoss(
            self.model, self._log_prior(), consistency_weight=recipe.schedule.consistency_weight
        )
        if self.world > 1:
            self.forward = DistributedDataParallel(self.forward)
        decay = recipe.schedule.weight_decay
        recurrent: list[torch.nn.Parameter] = []
        matrices: list[torch.nn.Parameter] = []
        others: list[torch.nn.Parameter] = []
        for name, parameter in self.forward.named_parameters():
            if "_lstm.weight" in name and recipe.schedule.optimizer == "muon":
                recurrent.append(parameter)
            else:
                (matrices if parameter.ndim > 1 else others).append(parameter)
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(
                [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}],
                lr=recipe.schedule.learning_rate,
                betas=(0.9, 0.98),
            )
        ]
        if recurrent:
            precision = torch.float32 if recipe.schedule.precision == "float32" else torch.bfloat16
            gates = GATES[config.cell]
            self.optimizers.append(Muon(recurrent, recipe.schedule.learning_rate, decay, gates, precision))
        self.epoch = self.update = self.done_in_epoch = 0
        self.minutes_before = 0.0
        self.started = time.monotonic()
        self._resume()

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
            if self.rank == 0:
                self._save()
                self._report(float(np.mean(losses)) if losses else float("nan"))
            if self.world > 1:
                distributed.barrier()

    def _done(self, of_epoch: float) -> float:
        """How much of the run is done, 0 to 1: of its epochs, or of its time if that is sooner over."""
        schedule = self.recipe.schedule
        done = (self.epoch + of_epoch) / schedule.epochs
        if schedule.minutes:
            done = max(done, self._minutes() / schedule.minutes)
        if self.world == 1:
            return done
        first = torch.tensor(done, dtype=torch.float64, device=self.device)
        distributed.broadcast(first, src=0)  # clocks differ, and all processes have to stop at the same update
        return float(first)

    def _plan(self, epoch: int) -> list[list[int]]:
        schedule = self.recipe.schedule
        grown = epoch >= schedule.grow_after_epochs
        seed = self.seed * 1000 + epoch
        shares = self.recipe.data.shares
        chances = np.random.default_rng(seed).random(len(self.utterances))
        seen = [i for i, u in enumerate(self.utterances) if chances[i] < shares.get(u.corpus, 1.0)]
        batches = plan_epoch(
            [self.utterances[i].seconds for i in seen],
            (schedule.grown_batch_seconds if grown else schedule.batch_seconds) / self.batches.views,
            seed=seed,
            world=self.world,
            short_first=epoch == 0 and not self.start,
        )
        return [[seen[i] for i in batch] for batch in share_of(batches, self.rank, self.world)]

    def _step(self, indices: list[int], progress: float) -> float:
        schedule = self.recipe.schedule
        batch = self.batches.make(indices, seed=(self.seed, self.update * self.world + self.rank)).to(self.device)
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
        rates = recognize(self.averaged, self.dev, self.dev_batches, self.vocabulary, self.device)
        row = {
            "minutes": f"{self._minutes():.1f}",
            "epoch": self.epoch,
            "update": self.update,
            "learning_rate": f"{self.optimizers[0].param_groups[0]['lr']:.2e}",
            "train_loss": f"{train_loss:.4f}",
            "dev_loss": f"{rates.loss:.4f}",
            "dev_wer": f"{rates.wer:.4f}",
            "dev_cer": f"{rates.cer:.4f}",
            "dev_per": f"{rates.per:.4f}",
        }
        log.info("%s", row)
        path = self.run / "log.csv"
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _LOG_COLUMNS)
            if new:
                writer.writeheader()
            writer.writerow(row)

    def _vocabulary(self) -> Vocabulary:
        path = self.run / UNITS
        if not path.exists() and self.start:
            shutil.copyfile(self.start.units, path)
        elif not path.exists():
            train_units((u.transcript for u in self.utterances), self.recipe.data.units, path)
        return Vocabulary(path)

    def _pronunciations(self) -> Pronunciations:
        path = self.run / PRONUNCIATIONS
        if not path.exists():
            words = (word for u in [*self.utterances, *self.dev] for word in u.transcript.split())
            write_pronunciations(pronounce(words), path)
        return read_pronunciations(path)

    @contextmanager
    def _rank_zero_first(self) -> Iterator[None]:
        """What the first process writes to disk inside, the others find there."""
        if self.rank != 0:
            distributed.barrier()
        yield
        if self.rank == 0 and self.world > 1:
            distributed.barrier()

    def _normalization(self, store: AudioStore) -> Any:
        """The recipe's features with mean and scale measured on a random sample of the training audio."""
        random = np.random.default_rng(self.recipe.schedule.seed)
        sample = random.choice(len(store), min(len(store), _SAMPLE_UTTERANCES), replace=False)
        log_mel = LogMel(self.recipe.features)
        frames = torch.cat([log_mel(samples_of(store, int(i))) for i in sample])
        return replace(
            self.recipe.features,
            mean=tuple(round(float(v), 4) for v in frames.mean(dim=0)),
            scale=tuple(round(float(1 / v), 4) for v in frames.std(dim=0).clamp(min=0.1)),
        )

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
            disable=self.rank != 0 or total == 0,
        )

    def _minutes(self) -> float:
        return self.minutes_before + (time.monotonic() - self.started) / 60

    def _save(self) -> None:
        if self.rank != 0:
            return
        checkpoint = {
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "features": asdict(self.features),
            "acoustic": asdict(self.model.config),
            "phones": list(self.phones),
            "position": [self.epoch, self.update, self.done_in_epoch],
            "minutes": self._minutes(),
        }
        temporary = self.run / "checkpoint.tmp"
        torch.save(checkpoint, temporary)
        temporary.replace(self.run / "checkpoint.pt")

    def _begin_with(self, weights: dict[str, Tensor]) -> None:
        own = self.model.state_dict()
        fitting = {name: tensor for name, tensor in weights.items() if tensor.shape == own[name].shape}
        self.model.load_state_dict({**own, **fitting})
        log.info("beginning with the weights of %d of %d tensors", len(fitting), len(own))

    def _log_prior(self) -> Tensor:
        """[P] logarithm of how frequent each frame label is, by the flat alignments of a random sample."""
        random = np.random.default_rng(self.recipe.schedule.seed)
        sample = random.choice(len(self.utterances), min(len(self.utterances), _SAMPLE_UTTERANCES), replace=False)
        counts = torch.ones(self.model.config.phones)
        for index in sample:
            labels = self.batches.make([int(index)]).frame_labels
            counts += labels[labels != UNKNOWN_LABEL].bincount(minlength=len(counts))
        return (counts / counts.sum()).log()

    def _resume(self) -> None:
        path = self.run / "checkpoint.pt"
        if not path.exists():
            return
        checkpoint = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(checkpoint["model"])
        self.averaged.load_state_dict(checkpoint["averaged"])
        for optimizer, state in zip(self.optimizers, checkpoint["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.epoch, self.update, self.done_in_epoch = checkpoint["position"]
        self.minutes_before = checkpoint["minutes"]
        log.info("resuming %s at epoch %d, update %d", path, self.epoch + 1, self.update)


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
    output.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[RichHandler(show_path=False)])
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    with _process_group(device):
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


@contextmanager
def _process_group(device: str) -> Iterator[None]:
    """Joins the other processes of a torchrun, if there are any, and leaves them at the end."""
    many = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if many:
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield
        if many:
            distributed.barrier()
    finally:
        if many:
            # What still holds the group would end gloo's threads while the interpreter goes down, which aborts it.
            gc.collect()
            distributed.destroy_process_group()


if __name__ == "__main__":
    typer.run(main)
