"""Batches made where the model learns: audio lies in a GPU's memory, and is perturbed and heard there all rows at once.

A GPU learns from an hour of speech in less than a second; processors that made its batches (`batches.py`) would keep it
waiting. What is done to the audio is the same, but a batch shares one speed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchaudio.functional import resample

from models.features import LogMel, frame_count
from models.training.augment import MIN_AMPLITUDE, SPEED_UNITS, AugmentConfig
from models.training.batches import INT16_SCALE, Batch, Targets
from models.training.data import AudioStore, Utterance
from models.training.flat_start import flat_alignment
from models.training.nonspeech import nonspeech

_NONSPEECH_SOUNDS = 100
_NONSPEECH_S = 8

_Counts = npt.NDArray[np.int64]


class DeviceBatchMaker:
    """Turns indices into a Batch on `device`, as BatchMaker does on the CPU."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        store: AudioStore,
        targets: Targets,
        log_mel: LogMel,
        device: torch.device,
        augment: AugmentConfig | None = None,
        *,
        outputs_per_step: int,
        views: int = 1,
    ) -> None:
        """views: as BatchMaker's. All audio of the store is put into the device's memory, as int16."""
        self.views = views
        self._augment = augment
        self._device = device
        self._outputs_per_step = outputs_per_step
        self._log_mel = log_mel.to(device)
        self._letters = [targets.letters(u.transcript) for u in utterances]
        self._phones = [targets.phones(u.transcript) for u in utterances]
        self._counts = np.array([len(store[i]) for i in range(len(store))])
        self._starts = np.concatenate(([0], np.cumsum(self._counts)[:-1]))
        self._samples = torch.empty(int(self._counts.sum()), dtype=torch.int16, device=device)
        for i, start in enumerate(self._starts):
            self._samples[start : start + self._counts[i]] = torch.from_numpy(np.array(store[i]))
        random = np.random.default_rng(0)
        chance = augment.nonspeech_chance if augment else 0.0
        count = _NONSPEECH_S * 16_000
        sounds = [nonspeech(count, random) for _ in range(_NONSPEECH_SOUNDS)] if chance else [torch.zeros(count)]
        self._sounds = torch.stack(sounds).to(device)

    def make(self, indices: Sequence[int], seed: Sequence[int] = (0,)) -> Batch:
        """The batch of these utterances; the same seed gives the same augmentation."""
        random = np.random.default_rng(seed)
        dice = torch.Generator(self._device).manual_seed(int(random.integers(2**62)))
        samples, counts = self._audio(indices)
        spoken = np.ones(len(indices), dtype=bool)
        if self._augment is not None:
            spoken = random.random(len(indices)) >= self._augment.nonspeech_chance
            samples = self._without_speech(samples, ~spoken, random)
            samples, counts = self._perturbed(samples, counts, random, dice)
        lengths = torch.tensor([frame_count(int(count)) for count in counts], device=self._device)
        frames = self._log_mel(samples)
        inside = torch.arange(frames.shape[1], device=self._device) < lengths.unsqueeze(1)
        frames = frames * inside.unsqueeze(-1)

        nothing = torch.zeros(0, dtype=torch.long)
        letters = [self._letters[i] if own else nothing for i, own in zip(indices, spoken, strict=True)]
        phones = [self._phones[i] if own else nothing for i, own in zip(indices, spoken, strict=True)]
        phone_lengths = torch.tensor([len(p) for p in phones], device=self._device)
        padded = pad_sequence(phones, batch_first=True).to(self._device)
        labels = flat_alignment(frames, lengths, padded, phone_lengths, self._outputs_per_step)
        views = [self._masked(frames, lengths, dice) for _ in range(self.views)]
        return Batch(
            frames=torch.cat(views),
            frame_lengths=lengths.repeat(self.views),
            targets=torch.cat(letters * self.views).to(self._device),
            target_lengths=torch.tensor([len(t) for t in letters] * self.views, device=self._device),
            phones=torch.cat(phones * self.views).to(self._device),
            phone_lengths=phone_lengths.repeat(self.views),
            frame_labels=labels.repeat(self.views, 1),
        )

    def _audio(self, indices: Sequence[int]) -> tuple[Tensor, _Counts]:
        """[B, N] float32 samples, zero after each row's count [B]."""
        counts = self._counts[list(indices)]
        starts = torch.from_numpy(self._starts[list(indices)]).to(self._device).unsqueeze(1)
        places = torch.arange(int(counts.max()), device=self._device)
        inside = places < torch.from_numpy(counts).to(self._device).unsqueeze(1)
        found = self._samples[(starts + places).clamp(max=len(self._samples) - 1)]
        return found.float() * INT16_SCALE * inside, counts

    def _without_speech(self, samples: Tensor, rows: npt.NDArray[np.bool_], random: np.random.Generator) -> Tensor:
        """Replaces rows by sounds that are not speech, repeated as long as the longest row is."""
        for row in np.flatnonzero(rows):
            sound = self._sounds[int(random.integers(len(self._sounds)))].roll(int(random.integers(16_000)))
            samples[row] = sound.repeat(-(-samples.shape[1] // len(sound)))[: samples.shape[1]]
        return samples

    def _perturbed(
        self, samples: Tensor, counts: _Counts, random: np.random.Generator, dice: torch.Generator
    ) -> tuple[Tensor, _Counts]:
        config = self._augment
        assert config is not None
        speed = float(random.choice(config.speeds))
        if speed != 1.0:
            old, new = round(speed * SPEED_UNITS), SPEED_UNITS
            samples = resample(samples, old, new)
            counts = -(-counts * new // old)
        rows = len(samples)

        def drawn(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(rows, 1, generator=dice, device=self._device)

        power = samples.square().sum(dim=1, keepdim=True) / torch.from_numpy(counts).to(self._device).unsqueeze(1)
        level = power.sqrt().clamp(min=MIN_AMPLITUDE) * 10 ** (-drawn(*config.noise_snr_db) / 20)
        samples = samples + self._noise(samples, dice) * level * (drawn(0, 1) < config.noise_chance)
        return (samples * 10 ** (drawn(*config.gain_db) / 20)).clamp(-1, 1), counts

    def _noise(self, samples: Tensor, dice: torch.Generator) -> Tensor:
        """White or pink noise of unit power, like samples [B, N]."""
        rows, count = samples.shape
        spectrum = torch.fft.rfft(torch.randn(rows, count, generator=dice, device=self._device))
        pink = torch.arange(1, spectrum.shape[1] + 1, device=self._device).rsqrt()
        is_pink = torch.rand(rows, 1, generator=dice, device=self._device) < 0.5
        noise = torch.fft.irfft(spectrum * torch.where(is_pink, pink, 1.0), n=count)
        scaled: Tensor = noise / noise.std(dim=1, keepdim=True)
        return scaled

    def _masked(self, frames: Tensor, lengths: Tensor, dice: torch.Generator) -> Tensor:
        """[B, T, F] frames with random bands and times of each row set to 0."""
        config = self._augment
        if config is None:
            return frames
        rows, time, bands = frames.shape
        for _ in range(config.frequency_masks):
            most = torch.full((rows, 1), config.frequency_mask, device=self._device)
            frames = frames * self._span(most, torch.full_like(most, bands), bands, dice).unsqueeze(1)
        ends = lengths.unsqueeze(1)
        for number in range(-(-time // config.time_mask_every_frames) if config.time_mask_frames else 0):
            most = (ends // 4).clamp(max=config.time_mask_frames)
            most = torch.where(number * config.time_mask_every_frames < ends, most, 0)
            frames = frames * self._span(most, ends, time, dice).unsqueeze(2)
        return frames

    def _span(self, most: Tensor, ends: Tensor, count: int, dice: torch.Generator) -> Tensor:
        """[B, count] ones with a span of zeros of at most `most` [B, 1] places, before `ends` [B, 1]."""
        width = (torch.rand(len(most), 1, generator=dice, device=self._device) * (most + 1)).floor()
        start = (torch.rand(len(most), 1, generator=dice, device=self._device) * (ends - width + 1)).floor()
        places = torch.arange(count, device=self._device)
        return 1.0 - ((places >= start) & (places < start + width)).float()
