"""Streaming features are the features of the whole recording, bit for bit."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import HOP_SAMPLES, WINDOW_SAMPLES, FeatureConfig, LogMel, StreamingFeatures, frame_count

LOG_MEL = LogMel(FeatureConfig())


@settings(max_examples=40)
@given(
    cuts=st.lists(st.integers(0, 2500), min_size=1, max_size=30),
    gain=st.sampled_from([1e-5, 0.01, 1.0]),
    seed=st.integers(0, 1000),
)
def test_any_packetization_gives_exactly_the_frames_of_the_whole(cuts: list[int], gain: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    samples = torch.randn(sum(cuts), generator=generator) * gain
    streaming = StreamingFeatures(LOG_MEL)
    pieces = [streaming.accept(piece) for piece in samples.split(cuts)]
    assert torch.equal(torch.cat(pieces), LOG_MEL(samples))


def test_a_frame_comes_as_soon_as_its_window_is_complete() -> None:
    streaming = StreamingFeatures(LOG_MEL)
    assert len(streaming.accept(torch.zeros(WINDOW_SAMPLES - 1))) == 0
    assert len(streaming.accept(torch.zeros(1))) == 1
    assert len(streaming.accept(torch.zeros(HOP_SAMPLES))) == 1


def test_frame_count_says_how_many_frames_there_are() -> None:
    for samples in (0, 1, WINDOW_SAMPLES - 1, WINDOW_SAMPLES, WINDOW_SAMPLES + HOP_SAMPLES, 16_000):
        assert len(LOG_MEL(torch.zeros(samples))) == frame_count(samples)


def test_normalization_is_a_constant_of_the_configuration() -> None:
    samples = torch.randn(8_000, generator=torch.Generator().manual_seed(1))
    normalized = LogMel(FeatureConfig(mean=(1.0,) * 80, scale=(2.0,) * 80))(samples)
    assert torch.allclose(normalized, (LOG_MEL(samples) - 1) * 2)
