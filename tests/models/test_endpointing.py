"""Utterances end at pauses, at the same frame for every cutting of the audio."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.endpointing import Endpointer, SpeechDetector, best_pause
from models.features import FRAMES_PER_SECOND, FeatureConfig, LogMel
from models.types import EndpointingOptions

FEATURES = FeatureConfig()
OPTIONS = EndpointingOptions(end_silence_s=0.8, max_utterance_s=20.0)


def frames_of(*parts: tuple[float, float], seed: int = 0) -> torch.Tensor:
    """Frames of parts (seconds, amplitude) of noise."""
    random = np.random.default_rng(seed)
    noise = [random.normal(0, amplitude, int(seconds * 16_000)) for seconds, amplitude in parts]
    frames: torch.Tensor = LogMel(FEATURES)(torch.from_numpy(np.concatenate(noise)).float())
    return frames


def first_end(frames: torch.Tensor, cuts: list[int], options: EndpointingOptions = OPTIONS) -> int | None:
    detector, endpointer = SpeechDetector(FEATURES), Endpointer(options)
    for piece in frames.split(cuts):
        end = endpointer.accept(detector.accept(piece))
        if end is not None:
            return end
    return None


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(1, 200), min_size=1, max_size=40), seed=st.integers(0, 5))
def test_the_end_does_not_depend_on_the_cutting(cuts: list[int], seed: int) -> None:
    frames = frames_of((0.5, 0.001), (2.0, 0.1), (1.5, 0.001), (1.0, 0.1), seed=seed)
    rest = len(frames) - sum(cuts)
    if rest < 0:
        frames = frames[: sum(cuts)]
        cuts = [len(frames)]
    pieces = [*cuts, rest] if rest > 0 else cuts
    assert first_end(frames, pieces) == first_end(frames, [len(frames)])


@pytest.mark.parametrize("background", [0.0, 0.0003, 0.01])
def test_an_utterance_ends_after_the_silence_that_follows_speech(background: float) -> None:
    frames = frames_of((1.0, background), (2.0, 0.2), (2.0, background))
    end = first_end(frames, [len(frames)])
    assert end is not None
    assert 3.0 + 0.8 - 0.1 <= end / FRAMES_PER_SECOND <= 3.0 + 0.8 + 0.2


def test_a_short_pause_does_not_end_an_utterance() -> None:
    frames = frames_of((1.0, 0.2), (0.5, 0.001), (1.0, 0.2))
    assert first_end(frames, [len(frames)]) is None


def test_the_silence_is_the_callers_choice() -> None:
    frames = frames_of((1.0, 0.2), (0.5, 0.001), (1.0, 0.2))
    assert first_end(frames, [len(frames)], EndpointingOptions(end_silence_s=0.3)) is not None


def test_silence_alone_ends_after_five_seconds_so_that_it_does_not_pile_up() -> None:
    frames = frames_of((8.0, 0.0))
    assert first_end(frames, [len(frames)]) == 5 * FRAMES_PER_SECOND


def test_endless_speech_is_cut_at_its_best_pause() -> None:
    syllables = [(0.25, 0.2), (0.1, 0.01)]
    frames = frames_of(*syllables * 38, (0.4, 0.0005), *syllables * 30)
    end = first_end(frames, [len(frames)])
    assert end is not None
    assert 13.3 <= end / FRAMES_PER_SECOND <= 13.7


def test_the_best_pause_is_inside_even_a_short_utterance() -> None:
    assert 0 < best_pause([0.0] * 30) <= 30
