"""How far back a recurrent layer feels its input: the norm of the gradient of a step's output by earlier inputs.

Where it falls to nothing within a few steps, no training can teach the layer what was said before them (Bengio et al.
1994, "Learning long-term dependencies with gradient descent is difficult").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.acoustic.model import AcousticModel
from models.acoustic.recurrent import BidirectionalLayer
from models.errors import DataError

_STRIDE_STEPS = 10  # between the outputs of an utterance that are looked at


def gradient_norms(model: AcousticModel, frames: Tensor, frame_lengths: Tensor, lags: int) -> Tensor:
    """[L, lags]: of each layer's forward direction, the norm of d(output at t) / d(input at t - k), k = 0 ... lags - 1.

    Root mean square over utterances, frames [B, T, F] with frame_lengths [B], and over outputs t within the shortest
    one; raises DataError if that has fewer than `lags` steps. A random sign for each output unit stands for them all:
    the expected square of the gradient of the signed sum is the square of the Jacobian's Frobenius norm.
    """
    layers = [layer for layer in model.layers if isinstance(layer, BidirectionalLayer)]
    inputs: list[Tensor] = []
    hooks = [
        layer.forward_lstm.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
        for layer in layers
    ]
    with torch.no_grad():
        _, lengths = model.eval().encode(frames, frame_lengths)
    for hook in hooks:
        hook.remove()
    shortest = int(lengths.min())
    if shortest < lags:
        raise DataError(f"an utterance has {shortest} steps; gradients over {lags} need longer ones")
    return torch.stack(
        [_norms(layer.forward_lstm, x[:, :shortest], lags) for layer, x in zip(layers, inputs, strict=True)]
    )


def _norms(layer: nn.Module, x: Tensor, lags: int) -> Tensor:
    """One direction's layer and its inputs [B, S, D] -> [lags]."""
    x = x.detach().requires_grad_()
    outputs, _ = layer(x)
    signs = torch.randint(2, outputs.shape[::2], generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    squares = []
    for t in range(lags - 1, x.shape[1], _STRIDE_STEPS):
        (gradient,) = torch.autograd.grad((outputs[:, t] * signs).sum(), x, retain_graph=True)
        squares.append(gradient[:, t - lags + 1 : t + 1].square().sum(dim=-1).mean(dim=0).flip(0))
    return torch.stack(squares).mean(dim=0).sqrt()
