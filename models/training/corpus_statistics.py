"""What a run measures on a random sample of its corpora before it begins: levels of bands, frequencies of phones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.features import FeatureConfig, LogMel
from models.training.batches import MakesBatches, samples_of
from models.training.data import AudioStore
from models.training.flat_start import UNKNOWN_LABEL

_SAMPLE_UTTERANCES = 500  # enough to know each band's mean and spread, and how frequent each phone is
_SAMPLE_BATCHES = 25
_LEAST_SPREAD = 0.1


def normalized(features: FeatureConfig, store: AudioStore, seed: int) -> FeatureConfig:
    """The same features with mean and scale of each band as they are in the audio of `store`."""
    log_mel = LogMel(features)
    frames = torch.cat([log_mel(samples_of(store, int(i))) for i in _sample(len(store), seed)])
    return replace(
        features,
        mean=tuple(round(float(v), 4) for v in frames.mean(dim=0)),
        scale=tuple(round(float(1 / v), 4) for v in frames.std(dim=0).clamp(min=_LEAST_SPREAD)),
    )


def log_prior(batches: MakesBatches, utterances: int, phones: int, seed: int) -> Tensor:
    """[phones] logarithm of how frequent each frame label is, by the flat alignments of so many utterances' sample."""
    counts = torch.ones(phones)
    for indices in np.array_split(_sample(utterances, seed), _SAMPLE_BATCHES):
        if len(indices):
            labels = batches.make(indices.tolist()).frame_labels.cpu()
            counts += labels[labels != UNKNOWN_LABEL].bincount(minlength=phones)
    return (counts / counts.sum()).log()


def _sample(utterances: int, seed: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).choice(utterances, min(utterances, _SAMPLE_UTTERANCES), replace=False)
