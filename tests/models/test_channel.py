"""What interim results promise: text only grows, and committed words never change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.acoustic.state import AcousticState
from models.channel import Channel, ChannelParts
from models.features import LogMel
from models.package import UNITS, open_package
from models.types import RecognitionOptions
from models.vocabulary import BLANK, Vocabulary

LATENCY_MS = 160


@pytest.fixture(scope="module")
def parts(tiny_package: Path) -> ChannelParts:
    package = open_package(tiny_package)
    return ChannelParts(
        LogMel(package.config.features),
        package.config.latencies[LATENCY_MS],
        Vocabulary(package.path(UNITS)),
        AcousticState(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)),
        package.config.decoding,
        0.04,
    )


@settings(deadline=None, max_examples=200)
@given(symbols=st.lists(st.lists(st.integers(0, 31), min_size=2, max_size=2), max_size=40))
def test_committed_words_never_change(parts: ChannelParts, symbols: list[list[int]]) -> None:
    channel = Channel(RecognitionOptions(), parts, tag=0)
    committed = ""
    for chunk in symbols:
        log_probs = torch.nn.functional.one_hot(torch.tensor(chunk), 32).float().mul(9).log_softmax(-1)
        for result in channel.absorb_chunk(log_probs, parts.initial_state):
            text = result.alternatives[0].transcript
            assert text.startswith(committed)
            assert len(committed) <= result.committed_chars <= len(text)
            committed = text[: result.committed_chars]
            assert committed.split() == text.split()[: len(committed.split())]
            assert 0 < result.stability <= 1


def test_all_but_the_last_word_is_committed(parts: ChannelParts) -> None:
    channel = Channel(RecognitionOptions(), parts, tag=0)
    ids = parts.vocabulary.encode("rain in spain")
    log_probs = torch.full((2 * len(ids), 32), -9.0)
    log_probs[torch.arange(0, 2 * len(ids), 2), ids] = 0.0
    log_probs[1::2, BLANK] = 0.0
    (result,) = channel.absorb_chunk(log_probs, parts.initial_state)
    assert (result.alternatives[0].transcript, result.committed_chars) == ("rain in spain", len("rain in"))
