"""Which optimizer learns which weights, and with which of them the recipe's weight decay acts."""

from __future__ import annotations

import torch
from torch import nn

from models.acoustic.recurrent import GATES
from models.training.muon import Muon
from models.training.recipe import ScheduleConfig

_ADAM_BETAS = (0.9, 0.98)


def optimizers_of(network: nn.Module, cell: str, schedule: ScheduleConfig) -> list[torch.optim.Optimizer]:
    """AdamW, and where the recipe says so, Muon for the matrices of the recurrent layers; vectors do not decay."""
    recurrent: list[nn.Parameter] = []
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if "_lstm.weight" in name and schedule.optimizer == "muon":
            recurrent.append(parameter)
        else:
            (matrices if parameter.ndim > 1 else others).append(parameter)
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            [{"params": matrices, "weight_decay": schedule.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=schedule.learning_rate,
            betas=_ADAM_BETAS,
        )
    ]
    if recurrent:
        precision = torch.float32 if schedule.precision == "float32" else torch.bfloat16
        optimizers.append(Muon(recurrent, schedule.learning_rate, schedule.weight_decay, GATES[cell], precision))
    return optimizers
