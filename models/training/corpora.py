"""What a run learns from: its corpora opened, with the letters, phones and features in which the model hears them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from models.features import FeatureConfig, LogMel
from models.package import UNITS
from models.training.batches import BatchMaker, MakesBatches, Targets
from models.training.corpus_statistics import normalized
from models.training.data import AudioStore, Utterance, read_corpus, select
from models.training.device_batches import DeviceBatchMaker
from models.training.processes import Processes
from models.training.pronunciations import (
    PRONUNCIATIONS,
    Pronunciations,
    phone_set,
    pronounce,
    read_pronunciations,
    write_pronunciations,
)
from models.training.recipe import Recipe
from models.training.start import Start
from models.training.units import train_units
from models.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Corpora:
    """train, dev: the utterances that are learned, and those that only measure. batches, dev_batches: make theirs.

    phones: by id from 1.
    """

    train: Sequence[Utterance]
    dev: Sequence[Utterance]
    vocabulary: Vocabulary
    phones: tuple[str, ...]
    features: FeatureConfig
    batches: MakesBatches
    dev_batches: MakesBatches


def open_corpora(
    recipe: Recipe,
    data: Path,
    run: Path,
    cache: Path,
    start: Start | None,
    processes: Processes,
    device: torch.device,
) -> Corpora:
    """The corpora that the recipe names, in the folder `data`. Decoded audio is kept in `cache`.

    Letters and pronunciations are written into the folder `run`, once; where a run begins with another, letters, phones
    and features are that one's. On a GPU batches are made in its memory.
    """
    keep = recipe.data
    corpora = [
        select(
            read_corpus(data / name),
            lambda u: keep.min_seconds <= u.seconds <= keep.max_seconds and bool(u.transcript),
        )
        for name in keep.train
    ]
    train = [u for corpus in corpora for u in corpus]
    dev = read_corpus(data / keep.dev)
    dev = dev[:: max(1, len(dev) // keep.dev_utterances)]
    with processes.first_ahead():
        vocabulary = _vocabulary(run, train, keep.units, start)
        pronunciations = _pronunciations(run, [*train, *dev])
        jobs = os.cpu_count() or 1
        train_store = AudioStore.joined(AudioStore.open(corpus, cache, jobs=jobs) for corpus in corpora)
        dev_store = AudioStore.open(dev, cache)
    features = start.features if start else normalized(recipe.features, train_store, recipe.schedule.seed)
    phones = start.phones if start else phone_set(pronunciations)
    targets, log_mel = Targets(vocabulary, pronunciations, phones), LogMel(features)
    make: Callable[..., MakesBatches] = (
        partial(DeviceBatchMaker, device=device) if device.type == "cuda" else BatchMaker
    )
    per_step = recipe.model.outputs_per_step
    views = 2 if recipe.schedule.consistency_weight else 1
    batches = make(train, train_store, targets, log_mel, augment=recipe.augment, outputs_per_step=per_step, views=views)
    dev_batches = make(dev, dev_store, targets, log_mel, outputs_per_step=per_step)
    return Corpora(train, dev, vocabulary, phones, features, batches, dev_batches)


def _vocabulary(run: Path, utterances: Sequence[Utterance], units: int, start: Start | None) -> Vocabulary:
    path = run / UNITS
    if not path.exists() and start:
        shutil.copyfile(start.units, path)
    elif not path.exists():
        train_units((u.transcript for u in utterances), units, path)
    return Vocabulary(path)


def _pronunciations(run: Path, utterances: Sequence[Utterance]) -> Pronunciations:
    path = run / PRONUNCIATIONS
    if not path.exists():
        write_pronunciations(pronounce(word for u in utterances for word in u.transcript.split()), path)
    return read_pronunciations(path)
