"""What is done to training audio and frames so that little data sounds like more.

Speed perturbation: Ko et al. 2015, "Audio augmentation for speech recognition". Masks: Park et al. 2019, "SpecAugment".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchaudio.functional import resample

SPEED_UNITS = 20  # speeds are twentieths, so that resampling ratios stay small
MIN_AMPLITUDE = 1e-4


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """One field is one effect; its neutral value switches it off.

    nonspeech_chance: share of utterances replaced by sounds without words (`nonspeech.py`).
    speeds: factors drawn with equal chance (twentieths). gain_db: range of a random volume change.
    noise_chance: share of utterances that get white or pink noise at a signal-to-noise ratio from noise_snr_db.
    masks: number of frequency masks of at most frequency_mask bands; one time mask of at most time_mask_frames for
    every time_mask_every_frames.
    """

    nonspeech_chance: float = 0.0
    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    gain_db: tuple[float, float] = (-18.0, 6.0)
    noise_chance: float = 0.3
    noise_snr_db: tuple[float, float] = (8.0, 40.0)
    frequency_masks: int = 2
    frequency_mask: int = 20
    time_mask_frames: int = 40
    time_mask_every_frames: int = 150


def perturb_audio(samples: Tensor, config: AugmentConfig, random: np.random.Generator) -> Tensor:
    """[N] samples -> [N'] samples: another speed, another volume, some noise."""
    speed = float(random.choice(config.speeds))
    if speed != 1.0:
        samples = resample(samples, round(speed * SPEED_UNITS), SPEED_UNITS)
    if random.random() < config.noise_chance:
        samples = samples + _noise(samples, random.uniform(*config.noise_snr_db), random)
    return (samples * 10 ** (random.uniform(*config.gain_db) / 20)).clamp(-1, 1)


def _noise(samples: Tensor, snr_db: float, random: np.random.Generator) -> Tensor:
    count = samples.shape[0]
    white = torch.from_numpy(random.standard_normal(count, dtype=np.float32))
    if random.random() < 0.5:
        spectrum = torch.fft.rfft(white)
        spectrum /= torch.arange(1, spectrum.shape[0] + 1).sqrt()  # pink: power falls with frequency
        white = torch.fft.irfft(spectrum, n=count)
    level = samples.std().clamp(min=MIN_AMPLITUDE) * 10 ** (-snr_db / 20)
    return white * (level / white.std())


def mask_frames(frames: Tensor, config: AugmentConfig, random: np.random.Generator) -> Tensor:
    """[T, F] normalized frames with random bands and times set to 0, the mean of the training set. Changes `frames`."""
    time, bands = frames.shape
    for _ in range(config.frequency_masks):
        width = int(random.integers(0, config.frequency_mask + 1))
        start = int(random.integers(0, bands - width + 1))
        frames[:, start : start + width] = 0
    for _ in range(-(-time // config.time_mask_every_frames) if config.time_mask_frames else 0):
        width = int(random.integers(0, min(config.time_mask_frames, time // 4) + 1))
        start = int(random.integers(0, time - width + 1))
        frames[start : start + width] = 0
    return frames
