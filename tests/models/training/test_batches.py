"""Batches hold every utterance once, similar lengths together; augmentation is repeatable and does what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.acoustic.model import AcousticConfig, AcousticModel, Emissions
from models.features import FeatureConfig, LogMel
from models.training.augment import AugmentConfig, mask_frames, perturb_audio
from models.training.batches import Batch, BatchMaker, Targets, plan_epoch, share_of
from models.training.data import AudioStore, Utterance
from models.training.flat_start import flat_alignment
from models.training.forced_alignment import realigned
from models.training.loss import ForwardLoss, consistency_loss
from models.training.muon import orthogonal
from models.training.nonspeech import nonspeech
from models.training.recipe import ScheduleConfig
from models.training.schedule import learning_rate

NEUTRAL = AugmentConfig(speeds=(1.0,), gain_db=(0.0, 0.0), noise_chance=0.0, frequency_masks=0, time_mask_frames=0)
SAMPLES = torch.sin(torch.arange(16_000) / 8) * 0.5


class _Letters(Targets):
    """One letter and one phone for every text."""

    def __init__(self) -> None:
        pass

    def letters(self, text: str) -> torch.Tensor:
        return torch.tensor([1])

    def phones(self, text: str) -> torch.Tensor:
        return torch.tensor([1])


def _maker(store: AudioStore, augment: AugmentConfig, views: int = 1) -> BatchMaker:
    utterances = [Utterance(str(i), Path(), 1.0, "", "", "") for i in range(len(store))]
    return BatchMaker(utterances, store, _Letters(), LogMel(FeatureConfig()), augment, outputs_per_step=2, views=views)


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


@given(count=st.integers(400, 40_000), seed=st.integers(0, 2**32 - 1))
def test_sounds_without_speech_are_samples(count: int, seed: int) -> None:
    sound = nonspeech(count, np.random.default_rng(seed))
    assert sound.shape == (count,) and sound.dtype == torch.float32
    assert bool(sound.isfinite().all()) and float(sound.abs().max()) <= 1.0


def test_an_utterance_without_speech_has_nothing_to_write() -> None:
    store = AudioStore([np.zeros(16_000, dtype=np.int16)] * 2)
    batch = _maker(store, replace(NEUTRAL, nonspeech_chance=1.0)).make([0, 1])
    assert batch.target_lengths.tolist() == batch.phone_lengths.tolist() == [0, 0]
    assert batch.frame_labels.unique().tolist() == [0], "every output is silence"
    assert float(batch.frames.std()) > 0, "the sound stands in for the silence of the store"
    model = AcousticModel(AcousticConfig(channels=4, hidden=8, layers=1))
    loss = ForwardLoss(model)(batch, None, 1.0).detach()
    assert bool(loss.isfinite()) and float(loss) > 0, "what it writes in spite of that costs something"


def test_two_views_are_the_same_speech_masked_in_two_ways() -> None:
    store = AudioStore([(np.random.default_rng(i).standard_normal(16_000) * 3000).astype(np.int16) for i in range(2)])
    batch = _maker(store, AugmentConfig(frequency_mask=40), views=2).make([0, 1], seed=(5,))
    first, second = batch.frames[:2], batch.frames[2:]
    seen = (first != 0) & (second != 0)
    assert torch.equal(first[seen], second[seen])
    assert not torch.equal(first, second)
    assert batch.targets.tolist() == [1] * 4
    assert batch.frame_lengths[:2].tolist() == batch.frame_lengths[2:].tolist()


def test_views_that_agree_cost_nothing_and_padding_never_counts() -> None:
    one = torch.randn(1, 6, 3).log_softmax(-1)
    other = one.clone()
    other[:, 4:] = torch.randn(1, 2, 3).log_softmax(-1)
    none = torch.zeros(0, dtype=torch.long)
    four, two = torch.tensor([4, 4]), torch.tensor([1, 1])
    batch = Batch(torch.zeros(2, 24, 1), four, none, two, none, two, none)

    def cost(log_probs: torch.Tensor, outputs: int) -> float:
        lengths = torch.tensor([outputs, outputs])
        return float(consistency_loss(Emissions(log_probs, log_probs, log_probs, lengths), batch))

    views = torch.cat([one, other])
    assert cost(views, 4) == pytest.approx(0.0, abs=1e-6)
    assert cost(views, 6) > 0.01


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


def test_a_flat_alignment_spreads_the_phones_over_the_loud_part() -> None:
    frames = torch.full((160, 4), -1.0)
    frames[40:120] = 1.0
    labels = flat_alignment(frames, torch.tensor([3, 1, 2, 2]), output_frames=4)
    assert labels.tolist() == [0] * 10 + [3] * 5 + [1] * 5 + [2] * 10 + [0] * 10


@given(rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 9))
def test_orthogonal_matrices_move_all_directions_alike(rows: int, columns: int, seed: int) -> None:
    torch.manual_seed(seed)
    strengths = torch.linalg.svdvals(orthogonal(torch.randn(2, rows, columns)))
    assert float(strengths.max()) < 1.5


def test_the_learning_rate_warms_up_holds_and_decays_to_zero() -> None:
    config = ScheduleConfig(learning_rate=1.0, warmup_updates=10, decay_progress=0.5)
    assert learning_rate(0, 0.0, config) == pytest.approx(0.1)
    assert learning_rate(9, 0.01, config) == learning_rate(500, 0.5, config) == 1.0
    assert learning_rate(900, 0.75, config) == pytest.approx(0.5)
    assert learning_rate(1000, 1.0, config) == pytest.approx(0.0)


def test_realigned_labels_move_to_where_the_model_hears_them() -> None:
    heard = torch.tensor([0, 1, 1, 0, 2, 2])
    log_probs = torch.nn.functional.one_hot(heard, 3).float().mul(9).log_softmax(-1).expand(3, -1, -1)
    known = torch.tensor([[1, 1, 1, 2, 2, 2], [1, 1, 2, 2, 2, 2], [0] * 6])
    three = torch.tensor([6, 6, 6])
    phones = torch.tensor([1, 2, *[1, 2] * 4])
    none = torch.zeros(0, dtype=torch.long)
    batch = Batch(torch.zeros(3, 24, 1), three * 4, none, three * 0, phones, torch.tensor([2, 8, 0]), known)
    labels = realigned(log_probs, three, batch, torch.zeros(3))
    assert labels[0].equal(heard)
    assert labels[1:].equal(known[1:]), "eight phones do not fit into six outputs; nobody speaks in the last row"
