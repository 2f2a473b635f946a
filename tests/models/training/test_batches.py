"""Batches hold every utterance once, similar lengths together; augmentation is repeatable and does what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchaudio.functional import forced_align

from models.acoustic.model import AcousticConfig, AcousticModel, Emissions
from models.features import FeatureConfig, LogMel
from models.training.augment import AugmentConfig, mask_frames, perturb_audio
from models.training.batches import Batch, BatchMaker, MakesBatches, Targets, plan_epoch, share_of
from models.training.data import AudioStore, Utterance
from models.training.device_batches import DeviceBatchMaker
from models.training.flat_start import UNKNOWN_LABEL, flat_alignment
from models.training.forced_alignment import align_phones, realigned
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


Maker = Callable[..., MakesBatches]
MAKERS = pytest.mark.parametrize(
    "kind", [BatchMaker, partial(DeviceBatchMaker, device=torch.device("cpu"))], ids=["rows", "device"]
)


def _maker(kind: Maker, store: AudioStore, augment: AugmentConfig | None, views: int = 1) -> MakesBatches:
    utterances = [Utterance(str(i), Path(), 1.0, "", "", "") for i in range(len(store))]
    log_mel = LogMel(FeatureConfig())
    return kind(utterances, store, _Letters(), log_mel, augment=augment, outputs_per_step=2, views=views)


def _noise_store(*seconds: float) -> AudioStore:
    random = np.random.default_rng(1)
    return AudioStore([(random.standard_normal(int(s * 16_000)) * 3000).astype(np.int16) for s in seconds])


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


@MAKERS
def test_an_utterance_without_speech_has_nothing_to_write(kind: Maker) -> None:
    store = AudioStore([np.zeros(16_000, dtype=np.int16)] * 2)
    batch = _maker(kind, store, replace(NEUTRAL, nonspeech_chance=1.0)).make([0, 1])
    assert batch.target_lengths.tolist() == batch.phone_lengths.tolist() == [0, 0]
    assert batch.frame_labels.unique().tolist() == [0], "every output is silence"
    assert float(batch.frames.std()) > 0, "the sound stands in for the silence of the store"
    model = AcousticModel(AcousticConfig(channels=4, hidden=8, layers=1))
    loss = ForwardLoss(model)(batch, None, 1.0).detach()
    assert bool(loss.isfinite()) and float(loss) > 0, "what it writes in spite of that costs something"


@MAKERS
def test_two_views_are_the_same_speech_masked_in_two_ways(kind: Maker) -> None:
    batch = _maker(kind, _noise_store(1, 1), AugmentConfig(frequency_mask=40), views=2).make([0, 1], seed=(5,))
    first, second = batch.frames[:2], batch.frames[2:]
    seen = (first != 0) & (second != 0)
    assert torch.equal(first[seen], second[seen])
    assert not torch.equal(first, second)
    assert batch.targets.tolist() == [1] * 4
    assert batch.frame_lengths[:2].tolist() == batch.frame_lengths[2:].tolist()


@pytest.mark.parametrize("augment", [None, NEUTRAL])
def test_a_batch_made_on_the_device_is_the_same(augment: AugmentConfig | None) -> None:
    store = _noise_store(1.0, 0.4, 1.33)
    rows, device = (_maker(kind, store, augment).make([0, 1, 2]) for kind in MAKERS.args[1])
    for field in fields(Batch):
        own, other = getattr(rows, field.name), getattr(device, field.name)
        assert own.shape == other.shape and bool((own == other).all()), field.name


def test_a_device_draws_the_same_batch_from_the_same_seed_and_masks_each_row_within_its_length() -> None:
    config = AugmentConfig(nonspeech_chance=0.3, frequency_masks=0, time_mask_frames=30, time_mask_every_frames=50)
    maker = _maker(MAKERS.args[1][1], _noise_store(2.0, 0.5, 1.0), config)
    first, again, other = (maker.make([0, 1, 2], seed=(seed,)).frames for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)
    lengths = maker.make([0, 1, 2], seed=(3,)).frame_lengths
    masked = (first == 0).all(dim=2)
    for row, length in zip(masked, lengths.tolist(), strict=True):
        assert 0 < int(row[:length].sum()) <= length // 2
        assert bool(row[length:].all())


def test_noise_of_a_device_has_the_level_it_was_asked_for() -> None:
    store = AudioStore([(SAMPLES.numpy() * 16_000).astype(np.int16)] * 4)
    config = replace(NEUTRAL, noise_chance=1.0, noise_snr_db=(20.0, 20.0))
    maker = _maker(MAKERS.args[1][1], store, config)
    assert isinstance(maker, DeviceBatchMaker)
    clean, counts = maker._audio([0, 1, 2, 3])
    noisy, _ = maker._perturbed(clean, counts, np.random.default_rng(0), torch.Generator().manual_seed(0))
    level = 20 * torch.log10(clean.std(dim=1) / (noisy - clean).std(dim=1))
    assert level.tolist() == pytest.approx([20.0] * 4, abs=0.2)


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
    frames = torch.full((3, 160, 4), -1.0)
    frames[:, 40:120] = 1.0
    phones = torch.tensor([[3, 1, 2, 2], [1, 0, 0, 0], [0, 0, 0, 0]])
    labels = flat_alignment(frames, torch.tensor([160, 80, 160]), phones, torch.tensor([4, 1, 0]), 2)
    assert labels[0].tolist() == [0] * 10 + [3] * 5 + [1] * 5 + [2] * 10 + [0] * 10
    assert labels[1].tolist() == [0] * 10 + [1] * 10 + [UNKNOWN_LABEL] * 20
    assert labels[2].tolist() == [0] * 40


@given(seed=st.integers(0, 99), outputs=st.integers(1, 30))
def test_paths_are_those_of_torchaudio(seed: int, outputs: int) -> None:
    torch.manual_seed(seed)
    log_probs = (2 * torch.randn(4, outputs, 6)).log_softmax(-1)
    lengths, phone_lengths = torch.randint(1, outputs + 1, (4,)), torch.randint(0, 8, (4,))
    phones = torch.randint(1, 6, (4, max(1, int(phone_lengths.max()))))
    labels, fits = align_phones(log_probs, lengths, phones, phone_lengths)
    for row, (length, count) in enumerate(zip(lengths.tolist(), phone_lengths.tolist(), strict=True)):
        own = phones[row, :count]
        assert bool(fits[row]) == (count + int((own[1:] == own[:-1]).sum()) <= length)
        if count and bool(fits[row]):
            path, _ = forced_align(log_probs[row : row + 1, :length].contiguous(), own.unsqueeze(0).int(), blank=0)
            assert labels[row, :length].tolist() == path[0].tolist()


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
