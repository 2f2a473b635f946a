"""From utterances to padded batches: what goes together, in which order, and the tensors.

Which epoch is which and how many there are is the schedule's business (`train.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from models.features import LogMel
from models.training.augment import AugmentConfig, mask_frames, perturb_audio
from models.training.data import AudioStore, Utterance
from models.training.flat_start import flat_alignment
from models.training.nonspeech import nonspeech
from models.training.pronunciations import Pronunciations
from models.vocabulary import Vocabulary

INT16_SCALE = 1 / 32768
_LENGTH_JITTER = 0.1  # relative noise on lengths before sorting, so that batches differ between epochs


@dataclass(frozen=True, slots=True)
class Batch:
    """frames [B, T, F] zero-padded, frame_lengths [B]; letters and phones of all rows one after the other.

    targets [sum of target_lengths], target_lengths [B]; phones [sum of phone_lengths], phone_lengths [B].
    frame_labels [B, outputs]: a first guess of the phone of each output (`flat_start.py`), BLANK for silence,
    UNKNOWN_LABEL in padding.
    """

    frames: Tensor
    frame_lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    phones: Tensor
    phone_lengths: Tensor
    frame_labels: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on `device`."""
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))


def plan_epoch(
    seconds: Sequence[float], batch_seconds: float, *, seed: int, world: int = 1, short_first: bool = False
) -> list[list[int]]:
    """Indices of each batch: similar lengths together, at most `batch_seconds` with padding, random order.

    world: processes that share the batches; those which they work on at a time are of similar length, as each waits
    for the slowest. short_first: in order of length instead, the gentle start that takes CTC off its plateau.
    """
    random = np.random.default_rng(seed)
    jittered = np.asarray(seconds) * (1 + _LENGTH_JITTER * random.uniform(-1, 1, len(seconds)))
    batches: list[list[int]] = []
    current: list[int] = []
    longest = 0.0
    for index in np.argsort(jittered):
        longest = max(longest, seconds[index])
        if current and longest * (len(current) + 1) > batch_seconds:
            batches.append(current)
            current, longest = [], seconds[index]
        current.append(int(index))
    if current:
        batches.append(current)
    if short_first:
        return batches
    groups = [batches[i : i + world] for i in range(0, len(batches), world)]
    whole = groups[: len(batches) // world]
    random.shuffle(whole)
    return [batch for group in (*whole, *groups[len(whole) :]) for batch in group]


class Targets:
    """Texts -> the symbols that the model shall emit for them."""

    def __init__(self, vocabulary: Vocabulary, pronunciations: Pronunciations, phones: Sequence[str]) -> None:
        """phones: all of them; their ids are their positions plus one, as 0 is the blank."""
        self._vocabulary = vocabulary
        ids = {phone: number for number, phone in enumerate(phones, start=1)}
        self._phones = {
            word: [ids[phone] for phone in own] for word, own in pronunciations.items() if set(own) <= ids.keys()
        }

    def letters(self, text: str) -> Tensor:
        """[letters] ids."""
        return torch.tensor(self._vocabulary.encode(text), dtype=torch.long)

    def phones(self, text: str) -> Tensor:
        """[phones] ids; a word without a pronunciation has none."""
        return torch.tensor([i for word in text.split() for i in self._phones.get(word, [])], dtype=torch.long)


def samples_of(store: AudioStore, index: int) -> Tensor:
    """[N] float32 samples in [-1, 1]."""
    return torch.from_numpy(store[index].astype(np.float32) * INT16_SCALE)


class MakesBatches(Protocol):
    """On the CPU row by row (BatchMaker), or on a GPU all rows at once (`device_batches.py`)."""

    @property
    def views(self) -> int:
        """How often each utterance is in its batch."""

    def make(self, indices: Sequence[int], seed: Sequence[int] = (0,)) -> Batch:
        """The batch of these utterances; the same seed gives the same augmentation."""


class BatchMaker:
    """Turns indices into a Batch: audio, augmentation, features, targets."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        store: AudioStore,
        targets: Targets,
        log_mel: LogMel,
        augment: AugmentConfig | None = None,
        *,
        outputs_per_step: int,
        views: int = 1,
    ) -> None:
        """views: how often each utterance is in its batch, masked in another way each time; the second views are the
        second half of its rows."""
        self.views = views
        self._store = store
        self._log_mel = log_mel
        self._augment = augment
        self._letters = [targets.letters(u.transcript) for u in utterances]
        self._phones = [targets.phones(u.transcript) for u in utterances]
        self._outputs_per_step = outputs_per_step

    def make(self, indices: Sequence[int], seed: Sequence[int] = (0,)) -> Batch:
        """The batch of these utterances; the same seed gives the same augmentation."""
        random = np.random.default_rng(seed)
        chance = self._augment.nonspeech_chance if self._augment else 0.0
        spoken = random.random(len(indices)) >= chance
        heard = [self._frames(index, random, own) for index, own in zip(indices, spoken, strict=True)]
        frames = [self._masked(own, random) for _ in range(self.views) for own in heard]
        nothing = torch.zeros(0, dtype=torch.long)
        letters = [self._letters[index] if own else nothing for index, own in zip(indices, spoken, strict=True)]
        phones = [self._phones[index] if own else nothing for index, own in zip(indices, spoken, strict=True)]
        lengths = torch.tensor([len(f) for f in heard])
        phone_lengths = torch.tensor([len(p) for p in phones])
        labels = flat_alignment(
            pad_sequence(heard, batch_first=True),
            lengths,
            pad_sequence(phones, batch_first=True),
            phone_lengths,
            self._outputs_per_step,
        )
        return Batch(
            frames=pad_sequence(frames, batch_first=True),
            frame_lengths=lengths.repeat(self.views),
            targets=torch.cat(letters * self.views),
            target_lengths=torch.tensor([len(t) for t in letters] * self.views),
            phones=torch.cat(phones * self.views),
            phone_lengths=phone_lengths.repeat(self.views),
            frame_labels=labels.repeat(self.views, 1),
        )

    def _frames(self, index: int, random: np.random.Generator, spoken: bool) -> Tensor:
        """[T, F] frames of one utterance, not yet masked."""
        samples = samples_of(self._store, index) if spoken else nonspeech(len(self._store[index]), random)
        if self._augment is not None:
            samples = perturb_audio(samples, self._augment, random)
        frames: Tensor = self._log_mel(samples)
        return frames

    def _masked(self, frames: Tensor, random: np.random.Generator) -> Tensor:
        return mask_frames(frames.clone(), self._augment, random) if self._augment is not None else frames


def share_of(batches: Sequence[list[int]], rank: int, world: int) -> Iterator[list[int]]:
    """Every world-th batch from `rank` on; the same number for every process."""
    for i in range(rank, len(batches) - len(batches) % world, world):
        yield batches[i]
