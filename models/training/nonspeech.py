"""Sounds that are not speech, made up at random: an utterance of them teaches the model to write nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.features import SAMPLE_RATE_HZ

_Audio = npt.NDArray[np.float64]
_HIGHEST_NOTE_HZ = 1_500.0
_LOWEST_NOTE_HZ = 60.0


def nonspeech(count: int, random: np.random.Generator) -> Tensor:
    """[count] float32 samples in [-1, 1]: faint hiss, noise, tones that glide and waver, chords, or a mix of two."""
    kinds: tuple[Callable[[int, np.random.Generator], _Audio], ...] = (_noise, _gliding_tones, _notes, _clicks)
    sound = random.choice(np.array(kinds, dtype=object))(count, random)
    if random.random() < 0.3:
        sound = sound + random.uniform(0.1, 1.0) * _noise(count, random)
    level = 10 ** random.uniform(-4.0, -0.1)
    return torch.from_numpy((sound * level / max(1e-9, float(np.abs(sound).max()))).astype(np.float32))


def _noise(count: int, random: np.random.Generator) -> _Audio:
    """Noise whose power falls with frequency by a random exponent (0 white, 1 pink, 2 brown), slowly swelling."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum /= np.arange(1, len(spectrum) + 1) ** (random.uniform(0.0, 2.0) / 2)
    noise: _Audio = np.fft.irfft(spectrum, n=count)
    noise *= _swell(count, random) / noise.std()
    return noise


def _gliding_tones(count: int, random: np.random.Generator) -> _Audio:
    """One to three tones with overtones, each gliding between random pitches, with or without vibrato."""
    return sum((_tone(_pitches(count, random), random) for _ in range(random.integers(1, 4))), np.zeros(count))


def _notes(count: int, random: np.random.Generator) -> _Audio:
    """Chords that are struck at random moments and die away."""
    sound = np.zeros(count)
    start = 0
    while start < count:
        length = min(count - start, int(SAMPLE_RATE_HZ * random.uniform(0.1, 1.5)))
        decay = np.exp(-np.arange(length) / (SAMPLE_RATE_HZ * random.uniform(0.05, 1.0)))
        for _ in range(random.integers(1, 5)):
            sound[start : start + length] += decay * _tone(np.full(length, _pitch(random)), random)
        start += length
    return sound


def _clicks(count: int, random: np.random.Generator) -> _Audio:
    """Short bursts of noise: knocks, keys, a bad line."""
    sound = np.zeros(count)
    for start in random.integers(0, count, 1 + count // int(SAMPLE_RATE_HZ * random.uniform(0.1, 2.0))):
        burst = sound[start : start + int(SAMPLE_RATE_HZ * random.uniform(0.002, 0.08))]
        burst += random.standard_normal(len(burst)) * np.exp(-4.0 * np.arange(len(burst)) / max(1, len(burst)))
    return sound


def _tone(pitch_hz: _Audio, random: np.random.Generator) -> _Audio:
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    strengths = random.uniform(0.0, 1.0, random.integers(1, 9))
    return sum((s / n * np.sin(n * phase) for n, s in enumerate(strengths, start=1)), np.zeros(len(phase)))


def _pitches(count: int, random: np.random.Generator) -> _Audio:
    """Pitch in Hz at every sample: straight lines between random points, and a vibrato of up to half a tone."""
    points = random.integers(1, 6)
    line = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, points), [_pitch(random) for _ in range(points)])
    vibrato = np.sin(2 * np.pi * random.uniform(3.0, 8.0) * np.arange(count) / SAMPLE_RATE_HZ)
    wavering: _Audio = line * 2 ** (random.uniform(0.0, 1 / 12) * vibrato)
    return wavering


def _pitch(random: np.random.Generator) -> float:
    return float(np.exp(random.uniform(np.log(_LOWEST_NOTE_HZ), np.log(_HIGHEST_NOTE_HZ))))


def _swell(count: int, random: np.random.Generator) -> _Audio:
    depth = random.uniform(0.0, 1.0)
    waves = np.sin(2 * np.pi * random.uniform(0.1, 4.0) * np.arange(count) / SAMPLE_RATE_HZ + random.uniform(0, 6))
    swell: _Audio = 1 - depth * (0.5 + 0.5 * waves)
    return swell
