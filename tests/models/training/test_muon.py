"""An update of Muon is a step of one length in all directions, for each gate by itself."""

from __future__ import annotations

import pytest
import torch

from models.acoustic.recurrent import CELLS, GATES
from models.training.muon import Muon

HIDDEN, INPUTS = 16, 24


@pytest.mark.parametrize("cell", CELLS)
def test_the_matrix_of_each_gate_is_made_orthogonal(cell: str) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.zeros(GATES[cell] * HIDDEN, INPUTS, requires_grad=True)
    # One gate with gradients a thousand times the others': it must not take the step from them.
    sizes = torch.tensor([1000.0] + [1.0] * (GATES[cell] - 1)).repeat_interleave(HIDDEN)
    weight.grad = torch.randn(weight.shape, generator=generator) * sizes.unsqueeze(1)
    Muon([weight], lr=1.0, weight_decay=0.0, gates=GATES[cell]).step()
    for gate in weight.detach().view(GATES[cell], HIDDEN, INPUTS):
        lengths = torch.linalg.svdvals(gate)
        assert lengths.min() > 0.3 * lengths.max()
