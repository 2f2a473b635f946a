"""A network's weights in a file: matrices in 8 bits with a scale for each row, the rest in float16. Nothing is pickled.

Symmetric rounding to the nearest of 255 values a row changes a recognizer's words hardly more than chance does, and
halves what a package weighs. Computing is in the precision of the device, not of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from models.errors import PackageError

_SCALE = ".scale"
_LARGEST = 127

Network = TypeVar("Network", bound=nn.Module)


def write_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    """Writes tensors by name, as a network's `state_dict` has them."""
    stored = {}
    for name, tensor in weights.items():
        if tensor.ndim == 2:
            scale = (tensor.abs().amax(dim=1, keepdim=True).float() / _LARGEST).clamp(min=1e-6)
            stored[name] = (tensor / scale).round().clamp(-_LARGEST, _LARGEST).to(torch.int8).contiguous()
            stored[name + _SCALE] = scale
        else:
            stored[name] = tensor.half().contiguous()
    safetensors.torch.save_file(stored, path)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in float32. Raises PackageError."""
    try:
        return _restored(safetensors.torch.load_file(path))
    except (SafetensorError, OSError) as error:
        raise PackageError(f"{path} cannot be read: {error}") from error


def load_network(make: Callable[[], Network], path: Path, device: torch.device) -> Network:
    """The network that `make` gives, with the weights of a file, in float32 and ready for inference.

    Memory is taken only when the sizes of the tensors in the file are those of the network. Raises PackageError.
    """
    with torch.device("meta"):
        network = make()
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    try:
        with safe_open(path, "pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            scaled = {name: (shape[0], 1) for name, shape in wanted.items() if name + _SCALE in found}
            expected = wanted | {name + _SCALE: shape for name, shape in scaled.items()}
            if found != expected:
                different = sorted(name for name, _ in found.items() ^ expected.items())[0]
                raise PackageError(
                    f"{path} does not fit the architecture in its config: {different} is"
                    f" {found.get(different, 'missing')} instead of {expected.get(different, 'nothing')}"
                )
            network.load_state_dict(_restored({name: file.get_tensor(name) for name in found}), assign=True)
    except (SafetensorError, RuntimeError) as error:
        raise PackageError(f"{path} cannot be read: {error}") from error
    return network.eval().to(device)


def _restored(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: tensor.float() * stored[name + _SCALE] if name + _SCALE in stored else tensor.float()
        for name, tensor in stored.items()
        if not name.endswith(_SCALE)
    }
