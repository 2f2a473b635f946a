"""Streaming resampling to the rate of the features."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor
from torchaudio.transforms import Resample

from models.features import SAMPLE_RATE_HZ

SAMPLE_GRID = 2.0**-22
_MAX_RATIO_TERM = 640  # odd rates are resampled by the nearest ratio of such terms: less than 0.1 % too fast or slow


class StreamingResampler:
    """[C, N] samples at `rate_hz` -> samples at 16 kHz; the same output for every cutting of the input.

    Works on whole blocks with their context, in float64, whose last bits depend on how many blocks are computed
    together; rounding to SAMPLE_GRID removes them.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        ratio = Fraction(rate_hz, SAMPLE_RATE_HZ).limit_denominator(_MAX_RATIO_TERM)
        self._into, self._out = ratio.numerator, ratio.denominator
        self._resample = Resample(self._into, self._out, dtype=torch.float64)
        # Samples of context on each side: the filter's half width at the lower of the two rates, and one unit to spare.
        filter_width = int(self._resample.lowpass_filter_width / self._resample.rolloff)
        self._context_units = -(-filter_width * max(1, -(-self._into // self._out)) // self._into) + 1
        self._context = self._context_units * self._into
        self._pending = torch.zeros(channels, self._context)
        self._received = self._emitted = 0

    def accept(self, samples: Tensor) -> Tensor:
        """The output samples whose whole context has arrived."""
        self._received += samples.shape[1]
        self._pending = torch.cat([self._pending, samples], dim=1)
        units = self._pending.shape[1] // self._into - 2 * self._context_units
        if units <= 0:
            return self._pending[:, :0]
        window = self._pending[:, : units * self._into + 2 * self._context].double()
        drop = self._context_units * self._out
        out: Tensor = self._resample(window)[:, drop : drop + units * self._out]
        self._pending = self._pending[:, units * self._into :].clone()
        self._emitted += out.shape[1]
        return ((out / SAMPLE_GRID).round() * SAMPLE_GRID).float()

    def finish(self) -> Tensor:
        """The rest, as if silence followed; the total is the input's length times the ratio, rounded up."""
        missing = -(-self._received * self._out // self._into) - self._emitted
        silence = torch.zeros(len(self._pending), 2 * self._context + self._into)
        return self.accept(silence)[:, :missing]
