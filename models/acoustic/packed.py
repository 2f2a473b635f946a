"""LSTM layers whose weights oneDNN has arranged once, for inference on a CPU.

torch lets it arrange them anew at each call, which costs more than a chunk of speech: half a millisecond for a layer of
320 units. The results are the same, bit for bit.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

_LSTM = 2  # torch's number for the kind of cell


class PackedLSTM(nn.Module):
    """A layer with one direction, batch first; called as nn.LSTM is. It cannot learn and stays on the CPU."""

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        self.hidden_size = lstm.hidden_size
        weights = (
            lstm.get_parameter(f"{name}_l0").detach() for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        into, own, self._bias, self._own_bias = weights
        self._packed: list[Tensor] = torch.ops.mkldnn._reorder_mkldnn_rnn_layer_weight(
            into, own, self.hidden_size, False, True, False
        )

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x [B, S, D], hidden and cell [1, B, H] before it -> [B, S, H], hidden and cell after it."""
        hidden, cell = state or (x.new_zeros(1, len(x), self.hidden_size),) * 2
        out, hidden, cell, _ = torch.ops.aten.mkldnn_rnn_layer(
            x.transpose(0, 1).contiguous(),
            *self._packed,
            self._bias,
            self._own_bias,
            hidden.contiguous(),
            cell.contiguous(),
            False,
            [],
            _LSTM,
            self.hidden_size,
            1,
            True,
            False,
            False,
            False,
        )
        return out.transpose(0, 1), (hidden.view(1, len(x), -1), cell.view(1, len(x), -1))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Whoever moves the model lets go of these weights: oneDNN's arrangement cannot be moved."""
        self._packed = []
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]


def can_pack() -> bool:
    """Whether this processor's oneDNN has been tried."""
    return platform.machine() == "x86_64" and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
