"""Every weight has one optimizer; what decays and what Muon learns is as the recipe says."""

from __future__ import annotations

import pytest
import torch

from models.acoustic.model import AcousticConfig, AcousticModel
from models.acoustic.recurrent import CELLS, GATES
from models.training.muon import Muon
from models.training.optimizers import optimizers_of
from models.training.recipe import ScheduleConfig


def learned_by(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


@pytest.mark.parametrize("cell", CELLS)
def test_muon_learns_the_matrices_of_the_recurrent_layers_gate_by_gate(cell: str) -> None:
    model = AcousticModel(AcousticConfig(channels=2, hidden=4, layers=2, cell=cell))
    adam, muon = optimizers_of(model, cell, ScheduleConfig(optimizer="muon"))
    assert isinstance(muon, Muon)
    assert {id(p) for p in learned_by(muon)} == {id(p) for n, p in model.named_parameters() if "_lstm.weight" in n}
    assert muon.param_groups[0]["gates"] == GATES[cell]
    everything = [id(p) for optimizer in (adam, muon) for p in learned_by(optimizer)]
    assert sorted(everything) == sorted(id(p) for p in model.parameters())


def test_vectors_do_not_decay() -> None:
    model = AcousticModel(AcousticConfig(channels=2, hidden=4, layers=1))
    (adam,) = optimizers_of(model, "lstm", ScheduleConfig(weight_decay=0.1))
    decays = {parameter.ndim > 1: group["weight_decay"] for group in adam.param_groups for parameter in group["params"]}
    assert decays == {True: 0.1, False: 0.0}
