"""Trains a speller for an acoustic model: `python -m models.training.train_speller --help`.

The acoustic model stays as it is. It hears some hours of speech, perturbed as in its training; snippets of that are put
together for text (`phone_bank.py`), of which there is a thousand times more. Some batches are the speech itself.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from models.acoustic.model import AcousticConfig, AcousticModel, Emissions
from models.acoustic.speller import SpellerConfig
from models.acoustic.state import ChunkShape
from models.package import PIECES
from models.training.batches import plan_epoch
from models.training.checkpoint import read_checkpoint
from models.training.corpora import Corpora, open_corpora
from models.training.development import recognize
from models.training.phone_bank import Snippets, joined, snippets_of
from models.training.processes import Processes
from models.training.pronunciations import PRONUNCIATIONS, Pronunciations, read_pronunciations
from models.training.recipe import Recipe, ScheduleConfig, read_recipe
from models.training.speller_text import SpellerText, has_text, word_places, write_text
from models.training.speller_trainer import SpellerTrainer
from models.training.start import read_start
from models.training.units import train_units
from models.vocabulary import Vocabulary

log = logging.getLogger(__name__)

TRAINED_SPELLER = "speller.pt"
_CHUNKED_SHARE = 0.15  # of the speech is heard as a stream hears it
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
