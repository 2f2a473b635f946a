"""Muon: momentum whose matrices are made orthogonal before each step, so that all directions learn at one pace.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; step size as in Liu et al. 2025, "Muon is
scalable for LLM training", which makes learning rates comparable to AdamW's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, distributed

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Jordan et al.: steepest at 0
_NEWTON_SCHULZ_STEPS = 3  # of the usual five: on a CPU each costs as much as four seconds of audio
_ADAMW_RMS = 0.2  # of an AdamW update, in units of the learning rate
_MOMENTUM = 0.95


class Muon(torch.optim.Optimizer):
    """For the weights of recurrent layers [gates * H, D].

    Several processes share the work: each makes some matrices orthogonal.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        weight_decay: float,
        gates: int,
        precision: torch.dtype = torch.float32,
    ) -> None:
        """gates: matrices that lie on top of each other in each parameter, made orthogonal each by itself.

        precision: of the orthogonalization; bfloat16 is enough for it where the processor multiplies it fast.
        """
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "gates": gates})
        self._precision = precision

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of all parameters."""
        rank, world = (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)
        for group in self.param_groups:
            # The largest first, dealt out in turn, so that all processes have about as much to do.
            parameters = sorted((p for p in group["params"] if p.grad is not None), key=lambda p: -p.numel())
            updates = []
            for number, parameter in enumerate(parameters):
                momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
                momentum.lerp_(parameter.grad, 1 - _MOMENTUM)
                if number % world == rank:
                    look_ahead = parameter.grad.lerp(momentum, _MOMENTUM)
                    matrices = look_ahead.view(group["gates"], -1, parameter.shape[1])
                    updates.append(orthogonal(matrices, self._precision).flatten())
                else:
                    updates.append(torch.zeros_like(parameter).flatten())
            if not updates:
                continue
            joined = torch.cat(updates)
            if world > 1:
                distributed.all_reduce(joined)
            parts = torch.split(joined, [u.numel() for u in updates])
            for parameter, update in zip(parameters, parts, strict=True):
                rows = parameter.shape[0] // group["gates"]
                scale = group["lr"] * _ADAMW_RMS * max(rows, parameter.shape[1]) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update.view_as(parameter), alpha=-scale)


def orthogonal(matrices: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
    """[K, M, N] -> the nearest matrices whose singular values are about 1, by Newton-Schulz iteration."""
    a, b, c = _NEWTON_SCHULZ
    x = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(precision)
    for _ in range(_NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x if matrices.shape[1] <= matrices.shape[2] else x.mT).to(matrices.dtype)
