"""Log-mel features: the whole recording at once, or sample by sample with exactly the same frames.

Decoding and resampling happen before (`audio.py`); augmentation is training's (`training/augment.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

SAMPLE_RATE_HZ = 16_000
FRAMES_PER_SECOND = 100
HOP_SAMPLES = SAMPLE_RATE_HZ // FRAMES_PER_SECOND
WINDOW_SAMPLES = SAMPLE_RATE_HZ * 25 // 1000

# Frames are rounded to this grid (natural-log units). The transform runs in float64, whose last bits depend on how many
# frames are computed together; rounding makes every packetization give the same float32 frame.
FRAME_GRID = 1 / 1024


@dataclass(frozen=True, slots=True)
class FeatureConfig:
    """How audio becomes frames. Stored in the model package; a model only works with the features it was trained on.

    mel_bins: number of mel bands (F).
    low_hz, high_hz: border frequencies of the mel filter bank.
    floor: added to the mel power before the logarithm. High enough to hide what lossy codecs leave in silent bands.
    mean, scale: each frame is (log mel - mean) * scale per band; constants of the training set, so that no future audio
    is needed.
    """

    mel_bins: int = 80
    low_hz: float = 20.0
    high_hz: float = 7600.0
    floor: float = 1e-6
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()


class LogMel(torch.nn.Module):
    """[..., N] samples in [-1, 1] -> [..., T, F] float32 frames; T = `frame_count(N)`.

    Frame i covers the samples [i * HOP_SAMPLES, i * HOP_SAMPLES + WINDOW_SAMPLES). No padding, so no edge effects.
    """

    _mean: Tensor
    _scale: Tensor

    def __init__(self, config: FeatureConfig) -> None:
        super().__init__()
        self.config = config
        self._mel = MelSpectrogram(
            sample_rate=SAMPLE_RATE_HZ,
            n_fft=WINDOW_SAMPLES,
            win_length=WINDOW_SAMPLES,
            hop_length=HOP_SAMPLES,
            f_min=config.low_hz,
            f_max=config.high_hz,
            n_mels=config.mel_bins,
            center=False,
            mel_scale="slaney",
        ).double()
        self.register_buffer("_mean", torch.tensor(config.mean or [0.0] * config.mel_bins), persistent=False)
        self.register_buffer("_scale", torch.tensor(config.scale or [1.0] * config.mel_bins), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        if samples.shape[-1] < WINDOW_SAMPLES:
            return samples.new_zeros(*samples.shape[:-1], 0, self.config.mel_bins, dtype=torch.float32)
        log_mel: Tensor = (self._mel(samples.double()) + self.config.floor).log()
        on_grid = (log_mel / FRAME_GRID).round() * FRAME_GRID
        return (on_grid.float().transpose(-1, -2) - self._mean) * self._scale


def frame_count(samples: int) -> int:
    """How many frames a recording of `samples` samples has."""
    return max(0, 1 + (samples - WINDOW_SAMPLES) // HOP_SAMPLES)


class StreamingFeatures:
    """The same frames as `LogMel` of the whole recording, from audio that arrives in pieces of any size."""

    def __init__(self, log_mel: LogMel) -> None:
        self._log_mel = log_mel
        self._pending = torch.zeros(0)

    def accept(self, samples: Tensor) -> Tensor:
        """[N] samples -> [T, F]: the frames that these samples complete (T may be 0)."""
        self._pending = torch.cat([self._pending, samples])
        frames: Tensor = self._log_mel(self._pending)
        self._pending = self._pending[len(frames) * HOP_SAMPLES :].clone()
        return frames
