"""Batches hold every utterance once, similar lengths together; augmentation is repeatable and does what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.training.augment import AugmentConfig, mask_frames, perturb_audio
from models.training.batches import Batch, plan_epoch, share_of
from models.training.flat_start import flat_alignment, flat_loss
from models.training.recipe import ScheduleConfig
from models.training.schedule import learning_rate

NO_PHONES = (torch.zeros(0, dtype=torch.long), torch.zeros(1, dtype=torch.long))
NEUTRAL = AugmentConfig(speeds=(1.0,), gain_db=(0.0, 0.0), noise_chance=0.0, frequency_masks=0, time_mask_frames=0)
SAMPLES = torch.sin(torch.arange(16_000) / 8) * 0.5


@given(seconds=st.lists(st.floats(0.3, 20), min_size=1, max_size=200), seed=st.integers(0, 9))
def test_an_epoch_sees_every_utterance_once_and_no_batch_is_too_large(seconds: list[float], seed: int) -> None:
    batches = plan_epoch(seconds, 50.0, seed=seed)
    assert sorted(i for batch in batches for i in batch) == list(range(len(seconds)))
    assert all(len(batch) == 1 or max(seconds[i] for i in batch) * len(batch) <= 50.0 for batch in batches)


def test_short_utterances_come_first_when_asked() -> None:
    seconds = list(np.random.default_rng(0).uniform(1, 15, 300))
    batches = plan_epoch(seconds, 30.0, seed=0, short_first=True)
    means = [np.mean([seconds[i] for i in batch]) for batch in batches]
    assert means[0] < 2 < 12 < means[-1]


@given(count=st.integers(0, 50), world=st.integers(1, 5))
def test_processes_get_equally_many_batches(count: int, world: int) -> None:
    batches = [[i] for i in range(count)]
    shares = [list(share_of(batches, rank, world)) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    assert len({i for share in shares for (i,) in share}) == count - count % world


def test_the_same_seed_gives_the_same_audio() -> None:
    first, second = (perturb_audio(SAMPLES, AugmentConfig(), np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(("speed", "length"), [(0.9, 17_778), (1.1, 14_546)])
def test_another_speed_is_another_length(speed: float, length: int) -> None:
    perturbed = perturb_audio(SAMPLES, replace(NEUTRAL, speeds=(speed,)), np.random.default_rng(0))
    assert len(perturbed) == length


def test_noise_has_the_level_it_was_asked_for() -> None:
    config = replace(NEUTRAL, noise_chance=1.0, noise_snr_db=(20.0, 20.0))
    for seed in range(4):
        noise = perturb_audio(SAMPLES, config, np.random.default_rng(seed)) - SAMPLES
        assert 20 * torch.log10(SAMPLES.std() / noise.std()) == pytest.approx(20.0, abs=0.2)


def test_masks_are_bands_and_times_of_zeros() -> None:
    config = replace(NEUTRAL, frequency_masks=1, frequency_mask=20, time_mask_frames=40, time_mask_every_frames=100)
    masked = mask_frames(torch.ones(400, 80), config, np.random.default_rng(1)) == 0
    assert 0 < masked.all(dim=0).sum() <= 20
    assert 0 < masked.all(dim=1).sum() <= 4 * 40


def test_a_flat_alignment_spreads_the_text_over_the_loud_part() -> None:
    frames = torch.full((1, 160, 4), -1.0)
    frames[0, 40:120] = 1.0
    batch = Batch(frames, torch.tensor([160]), torch.tensor([3, 1, 2]), torch.tensor([3]), *NO_PHONES)
    labels = flat_alignment(batch, torch.tensor([0.0, 1.0, 2.0, 1.0]), outputs_per_step=2)
    assert labels.tolist() == [[0] * 10 + [3] * 5 + [1] * 5 + [2] * 10 + [0] * 10]
    certain = torch.nn.functional.one_hot(labels, 4).float().mul(100).log_softmax(-1)
    assert float(flat_loss(certain, labels, torch.tensor([40]))) == pytest.approx(0.0, abs=1e-6)


def test_the_learning_rate_warms_up_holds_and_decays_to_zero() -> None:
    config = ScheduleConfig(learning_rate=1.0, warmup_updates=10, decay_progress=0.5)
    assert learning_rate(0, 0.0, config) == pytest.approx(0.1)
    assert learning_rate(9, 0.01, config) == learning_rate(500, 0.5, config) == 1.0
    assert learning_rate(900, 0.75, config) == pytest.approx(0.5)
    assert learning_rate(1000, 1.0, config) == pytest.approx(0.0)
