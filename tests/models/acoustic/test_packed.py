"""A packed layer gives what the layer gives, bit for bit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.acoustic.packed import PackedLSTM, can_pack
from models.device import computation_type

pytestmark = pytest.mark.skipif(not can_pack(), reason="oneDNN packs weights on x86 only")
TYPES = sorted({torch.float32, computation_type(torch.device("cpu"))}, key=str)


@settings(max_examples=25)
@given(rows=st.integers(1, 20), steps=st.integers(1, 40), seed=st.integers(0, 99), begins=st.booleans())
@pytest.mark.parametrize("kind", TYPES)
def test_the_same_bits(kind: torch.dtype, rows: int, steps: int, seed: int, begins: bool) -> None:
    torch.manual_seed(seed)
    lstm = nn.LSTM(24, 16, batch_first=True).to(kind).eval()
    x = torch.randn(rows, steps, 24, dtype=kind)
    state = None if begins else (torch.randn(1, rows, 16, dtype=kind), torch.randn(1, rows, 16, dtype=kind))
    with torch.inference_mode():
        expected, (hidden, cell) = lstm(x, state)
        found, (own_hidden, own_cell) = PackedLSTM(lstm)(x, state)
    assert torch.equal(found, expected)
    assert torch.equal(own_hidden, hidden) and torch.equal(own_cell, cell)


def test_it_lets_go_of_its_weights_when_the_model_is_moved() -> None:
    packed = PackedLSTM(nn.LSTM(4, 4, batch_first=True))
    packed.to("meta")
    assert not packed._packed
