"""What is measured before a run begins is what its features and frame labels really are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from models.features import FeatureConfig, LogMel
from models.training.batches import BatchMaker, Targets, samples_of
from models.training.corpus_statistics import log_prior, normalized
from models.training.data import AudioStore, Utterance

UTTERANCES, SAMPLES = 4, 16_000


class _OnePhone(Targets):
    """Phone 2 and nothing else in every text."""

    def __init__(self) -> None:
        pass

    def letters(self, text: str) -> torch.Tensor:
        return torch.tensor([1])

    def phones(self, text: str) -> torch.Tensor:
        return torch.tensor([2])


def _noise() -> AudioStore:
    random = np.random.default_rng(0)
    return AudioStore([(random.normal(0, 3_000, SAMPLES)).astype(np.int16) for _ in range(UTTERANCES)])


def test_normalized_features_have_mean_zero_and_spread_one_in_every_band() -> None:
    store = _noise()
    log_mel = LogMel(normalized(FeatureConfig(), store, seed=1))
    frames = torch.cat([log_mel(samples_of(store, i)) for i in range(UTTERANCES)])
    torch.testing.assert_close(frames.mean(dim=0), torch.zeros(frames.shape[1]), atol=1e-3, rtol=0)
    torch.testing.assert_close(frames.std(dim=0), torch.ones(frames.shape[1]), atol=1e-3, rtol=0)


def test_the_prior_is_a_distribution_over_the_labels_that_occur() -> None:
    utterances = [Utterance(str(i), Path(), 1.0, "", "", "") for i in range(UTTERANCES)]
    batches = BatchMaker(utterances, _noise(), _OnePhone(), LogMel(FeatureConfig()), outputs_per_step=2)
    prior = log_prior(batches, UTTERANCES, phones=4, seed=1).exp()
    torch.testing.assert_close(prior.sum(), torch.tensor(1.0))
    assert prior[1] == prior[3] < prior[0]
    assert prior[3] < prior[2]
