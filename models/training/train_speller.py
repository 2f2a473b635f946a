"""Trains a speller for an acoustic model: `python -m models.training.train_speller --help`.

The acoustic model stays as it is. It hears some hours of speech, perturbed as in its training; snippets of that are put
together for text (`phone_bank.py`), of which there is a thousand times more. Some batches are the speech itself.
"""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import jiwer
import numpy as np
import torch
import typer
from torch import Tensor

from models.acoustic.model import AcousticConfig, AcousticModel, Emissions
from models.acoustic.speller import Speller, SpellerConfig, padded, steps_of
from models.acoustic.state import ChunkShape
from models.decoding.greedy import greedy_ids
from models.package import PIECES
from models.training.batches import plan_epoch
from models.training.checkpoint import read_checkpoint
from models.training.corpora import Corpora, open_corpora
from models.training.development import recognize
from models.training.loss import symbol_loss
from models.training.optimizers import optimizers_of
from models.training.phone_bank import PhoneBank, Snippets, joined, snippets_of
from models.training.processes import Processes
from models.training.pronunciations import PRONUNCIATIONS, Pronunciations, read_pronunciations
from models.training.recipe import Recipe, ScheduleConfig, read_recipe
from models.training.schedule import learning_rate
from models.training.speller_text import SpellerText, has_text, word_places, write_text
from models.training.start import read_start
from models.training.units import train_units
from models.vocabulary import Vocabulary

log = logging.getLogger(__name__)

TRAINED_SPELLER = "speller.pt"
_CHUNKED_SHARE = 0.15  # of the speech is heard as a stream hears it
_REAL_SHARE = 0.15  # of the batches are speech itself
_STEPS_PER_WORD = 5
_LENGTHS = ((4, 0.0), (8, 2e5), (16, 1e6), (24, 2e6), (40, 3e6))  # words of a sentence, from so many words of text on
_SENTENCES_FOR_PIECES = 500_000


def hear(
    model: AcousticModel, corpora: Corpora, pronunciations: Pronunciations, recipe: Recipe, hours: float
) -> Snippets:
    """Snippets of about so many hours of the training speech, perturbed."""
    random = np.random.default_rng(recipe.schedule.seed)
    device = next(model.parameters()).device
    order = random.permutation(len(corpora.train))
    seconds = np.cumsum([corpora.train[i].seconds for i in order])
    chosen = [int(i) for i in order[seconds < hours * 3600]]
    numbers = {phone: number for number, phone in enumerate(corpora.phones, start=1)}
    words = {word: [numbers[p] for p in own] for word, own in pronunciations.items() if set(own) <= numbers.keys()}
    parts = []
    with torch.inference_mode():
        for turn, batch in enumerate(plan_epoch([corpora.train[i].seconds for i in chosen], 300.0, seed=0)):
            indices = [chosen[i] for i in batch]
            made = corpora.batches.make(indices, seed=(recipe.schedule.seed, turn)).to(device)
            is_chunked = random.random() < _CHUNKED_SHARE
            shape = (
                ChunkShape(*recipe.chunks.shapes[random.integers(len(recipe.chunks.shapes))]) if is_chunked else None
            )
            emissions: Emissions = model(made.frames, made.frame_lengths, shape)
            texts = [corpora.train[i].transcript for i in indices]
            spoken = [[words[w] for w in text.split() if w in words] for text in texts]
            phones = [torch.tensor([p for own in word for p in own], dtype=torch.long) for word in spoken]
            places = [torch.tensor([p for own in word for p in word_places(len(own))]) for word in spoken]
            parts.append(snippets_of(emissions, phones, places, texts))
    return joined(parts)


class SpellerTrainer:
    """One run: speller, averaged weights, optimizers, text, snippets."""

    def __init__(
        self,
        config: SpellerConfig,
        schedule: ScheduleConfig,
        text: SpellerText,
        snippets: Snippets,
        pieces: Vocabulary,
        batch_steps: int,
        phone_error_rate: float,
        device: torch.device,
    ) -> None:
        self.schedule, self.text, self.pieces, self.device = schedule, text, pieces, device
        self.batch_steps = batch_steps
        torch.manual_seed(schedule.seed)
        self.speller = Speller(config).to(device)
        self.averaged = Speller(config).to(device).eval()
        self.averaged.load_state_dict(self.speller.state_dict())
        self.optimizers = optimizers_of(self.speller, "lstm", schedule)
        self.bank = PhoneBank(snippets, config.phones, phone_error_rate, device)
        self.update, self.words = 0, 0.0
        self.losses: list[float] = []
        self._random = np.random.default_rng(schedule.seed)
        self._dice = torch.Generator(device).manual_seed(schedule.seed)
        self._real = _RealUtterances(snippets, pieces, config.outputs_per_step)

    def step(self, progress: float) -> None:
        """One update at `progress` (0 to 1) of the run."""
        words = int(self._random.choice([own for own, after in _LENGTHS if self.words >= after]))
        count = max(1, self.batch_steps // (words * _STEPS_PER_WORD))
        if self._random.random() < _REAL_SHARE:
            features, counts, targets, target_counts = self._real.batch(self.batch_steps, self._random, self.device)
        else:
            window = self.text.windows(count, words, self._dice)
            flat = window.flatten()
            phone_counts = self.text.phones.counts[window].sum(dim=1)
            drawn = self.bank.draw(self.text.phones.take(flat), self.text.places.take(flat), phone_counts, self._dice)
            features, counts = drawn
            targets, target_counts = self.text.pieces.take(flat), self.text.pieces.counts[window].sum(dim=1)
            self.words += flat.numel()
        rate = learning_rate(self.update, progress, self.schedule)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
        self.speller.train()
        with self._autocast():
            log_probs, lengths = self.speller(padded(features, counts), counts)
        loss: Tensor = symbol_loss(log_probs, lengths, targets, target_counts)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.speller.parameters(), self.schedule.gradient_clip)
        if torch.isfinite(norm):
            for optimizer in self.optimizers:
                optimizer.step()
        self.update += 1
        self.losses.append(float(loss.detach()))
        decay = min(self.schedule.average_decay, (1 + self.update) / (10 + self.update))
        with torch.no_grad():
            for mean, now in zip(self.averaged.parameters(), self.speller.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)

    @torch.inference_mode()
    def error_rate(self, heard: list[Emissions], texts: list[list[str]]) -> tuple[float, str]:
        """Word error rate of batches whose phones were heard so, and one of the texts."""
        hypotheses = []
        for emissions in heard:
            steps = steps_of(emissions.phones, emissions.lengths)
            log_probs, lengths = self.averaged(steps.padded(), steps.counts)
            for row, length in zip(log_probs.cpu(), lengths.tolist(), strict=True):
                hypotheses.append(self.pieces.decode([symbol for _, symbol in greedy_ids(row[:length])]))
        references = [text for batch in texts for text in batch]
        return jiwer.wer(references, hypotheses), hypotheses[len(hypotheses) // 2]

    def _autocast(self) -> Any:
        # On a GPU autocast would compute the LSTM in float16.
        is_plain = self.schedule.precision == "float32" or self.device.type == "cuda"
        return nullcontext() if is_plain else torch.autocast(self.device.type, dtype=torch.bfloat16)


class _RealUtterances:
    """The speech itself: steps of whole utterances and the pieces of their texts."""

    def __init__(self, snippets: Snippets, pieces: Vocabulary, outputs_per_step: int) -> None:
        firsts = (snippets.left == 0).nonzero().squeeze(1)
        lasts = torch.cat([firsts[1:] - 1, torch.tensor([len(snippets.left) - 1])])
        self._begin, self._end = snippets.begin[firsts].numpy(), snippets.end[lasts].numpy()
        self._features = snippets.features
        self._pieces = [torch.tensor(pieces.encode(text)) for text in snippets.texts]
        fits = [
            i
            for i, own in enumerate(self._pieces)
            if 0 < len(own) <= (self._end[i] - self._begin[i]) * outputs_per_step
        ]
        self._by_length = np.array(sorted(fits, key=lambda i: self._end[i] - self._begin[i]))

    def batch(
        self, steps: int, random: np.random.Generator, device: torch.device
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features and counts, pieces and counts of utterances of similar length."""
        at = int(random.integers(len(self._by_length)))
        longest = self._end[self._by_length[at]] - self._begin[self._by_length[at]]
        own = self._by_length[max(0, at + 1 - max(1, steps // int(longest))) : at + 1]
        features = torch.cat([self._features[self._begin[i] : self._end[i]] for i in own])
        counts = torch.from_numpy(self._end[own] - self._begin[own])
        pieces = [self._pieces[i] for i in own]
        return (
            features.to(device),
            counts.to(device),
            torch.cat(pieces).to(device),
            torch.tensor([len(p) for p in pieces], device=device),
        )


def main(
    recipe: Annotated[Path, typer.Argument(help="recipe of the acoustic model's run: its corpora and perturbations")],
    data: Annotated[Path, typer.Option(help="folder that holds the recipe's corpora")],
    acoustic: Annotated[Path, typer.Option(help="folder of the acoustic model's run")],
    language_model: Annotated[Path, typer.Option(help="folder with pronunciations.txt of the text's words")],
    output: Annotated[Path, typer.Option(help="folder of this run; words.npy there is used again")],
    text: Annotated[list[Path] | None, typer.Option(help="files of sentences, one a line")] = None,
    cache: Annotated[Path | None, typer.Option(help="folder for decoded audio (default: OUTPUT/cache)")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    threads: Annotated[int, typer.Option(help="CPU threads")] = 1,
    minutes: Annotated[float, typer.Option(help="of training")] = 60.0,
    report_minutes: Annotated[
        float, typer.Option(help="from one measurement on the development set to the next")
    ] = 5.0,
    hours: Annotated[float, typer.Option(help="of speech to take snippets from")] = 10.0,
    pieces: Annotated[int, typer.Option(help="word pieces, the blank among them")] = 2000,
    hidden: Annotated[int, typer.Option(help="units of one direction")] = 448,
    layers: Annotated[int, typer.Option()] = 2,
    batch_steps: Annotated[int, typer.Option(help="steps of an update")] = 8000,
    rate: Annotated[float, typer.Option(help="highest learning rate")] = 2e-3,
) -> None:
    """Train a speller; writes `speller.pt` and `pieces.model` into OUTPUT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("high")
    output.mkdir(parents=True, exist_ok=True)
    where = torch.device(device)
    plan = _speech_once(read_recipe(recipe))
    start = read_start(acoustic)
    corpora = open_corpora(plan, data, output, cache or output / "cache", start, Processes(0, 1), where)
    numbers = {phone: number for number, phone in enumerate(start.phones, start=1)}
    known = {
        word: own
        for word, own in read_pronunciations(language_model / PRONUNCIATIONS).items()
        if own and set(own) <= numbers.keys()
    }
    if not has_text(output):
        write_text(text or [], known, output)
    if not (output / PIECES).exists():
        lines = (line for path in text or [] for line in path.open(encoding="utf-8"))
        train_units(
            (line.strip().lower() for line, _ in zip(lines, range(_SENTENCES_FOR_PIECES), strict=False)),
            pieces,
            output / PIECES,
        )
    vocabulary = Vocabulary(output / PIECES)

    model = AcousticModel(AcousticConfig(**read_checkpoint(acoustic)["acoustic"])).to(where).eval()
    start.load_into(model)
    snippets = hear(model, corpora, read_pronunciations(output / PRONUNCIATIONS), plan, hours)
    rates = recognize(model, corpora.dev, corpora.dev_batches, corpora.vocabulary, where)
    heard_at = 100 * float(snippets.errors.mean())
    log.info("%d snippets of %d utterances", len(snippets.phones), len(snippets.texts))
    log.info("phone error rate %.1f %% of the speech, %.1f %% on dev", heard_at, 100 * rates.per)
    heard, texts = [], []
    with torch.inference_mode():
        for indices in plan_epoch([u.seconds for u in corpora.dev], 300.0, seed=0):
            batch = corpora.dev_batches.make(indices).to(where)
            heard.append(model(batch.frames, batch.frame_lengths))
            texts.append([corpora.dev[i].transcript for i in indices])

    schedule = ScheduleConfig(
        learning_rate=rate,
        warmup_updates=100,
        decay_progress=0.8,
        weight_decay=0.02,
        gradient_clip=1.0,
        average_decay=0.998,
        optimizer="muon",
        precision="bfloat16" if device == "cpu" else "float32",
    )
    config = SpellerConfig(1 + len(start.phones), len(vocabulary), hidden, layers)
    spelled = SpellerText(output, known, numbers, vocabulary, where)
    trainer = SpellerTrainer(config, schedule, spelled, snippets, vocabulary, batch_steps, rates.per, where)
    begun = reported = time.monotonic()
    while (progress := (time.monotonic() - begun) / 60 / minutes) < 1.0:
        trainer.step(progress)
        if time.monotonic() - reported > report_minutes * 60:
            _report(trainer, heard, texts)
            reported = time.monotonic()
    _report(trainer, heard, texts)
    torch.save(
        {"speller": asdict(config), "averaged": {n: w.cpu() for n, w in trainer.averaged.state_dict().items()}},
        output / TRAINED_SPELLER,
    )


def _speech_once(recipe: Recipe) -> Recipe:
    """The recipe without second views of its utterances, and without sounds in place of speech."""
    schedule = replace(recipe.schedule, consistency_weight=0.0)
    return replace(recipe, schedule=schedule, augment=replace(recipe.augment, nonspeech_chance=0.0))


def _report(trainer: SpellerTrainer, heard: list[Emissions], texts: list[list[str]]) -> None:
    rate, example = trainer.error_rate(heard, texts)
    recent = float(np.mean(trainer.losses[-100:]))
    log.info(
        "update %d, %.2f million words, loss %.3f, dev WER %.1f %%: %s",
        trainer.update,
        trainer.words / 1e6,
        recent,
        100 * rate,
        example,
    )


if __name__ == "__main__":
    typer.run(main)
