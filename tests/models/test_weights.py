"""Weights come back as they were, but for the rounding; a file that does not fit is refused before memory is taken."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from models.errors import PackageError
from models.weights import load_network, read_weights, write_weights

CPU = torch.device("cpu")


def test_a_network_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.LSTM(5, 7)
    write_weights(network.state_dict(), tmp_path / "w")
    loaded = load_network(partial(nn.LSTM, 5, 7), tmp_path / "w", CPU)
    assert not loaded.training
    for name, tensor in network.state_dict().items():
        found = loaded.state_dict()[name]
        rounding = tensor.abs().amax(dim=-1, keepdim=True) / 127 / 2
        assert bool(((found - tensor).abs() <= rounding * 1.01).all()), name
        assert torch.equal(read_weights(tmp_path / "w")[name], found)


def test_matrices_take_a_byte_a_weight(tmp_path: Path) -> None:
    write_weights({"m": torch.randn(100, 1000)}, tmp_path / "w")
    assert (tmp_path / "w").stat().st_size < 101_000


def test_weights_of_float16_are_read(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    safetensors.torch.save_file({name: w.half() for name, w in network.state_dict().items()}, tmp_path / "w")
    loaded = load_network(partial(nn.Linear, 3, 2), tmp_path / "w", CPU)
    torch.testing.assert_close(loaded.weight, network.weight, atol=1e-3, rtol=0)


def test_rows_of_zeros_stay_zeros(tmp_path: Path) -> None:
    write_weights({"m": torch.zeros(2, 3)}, tmp_path / "w")
    assert read_weights(tmp_path / "w")["m"].tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    "stored",
    [
        {"weight": torch.zeros(2, 3), "bias": torch.zeros(3)},
        {"weight": torch.zeros(2, 3)},
        {"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "more": torch.zeros(1)},
        {"weight": torch.zeros(2, 3, dtype=torch.int8), "weight.scale": torch.zeros(3, 1), "bias": torch.zeros(2)},
        {"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "more.scale": torch.zeros(2, 1)},
    ],
    ids=["size", "missing", "more", "scale", "scale of nothing"],
)
def test_another_architecture_is_refused(tmp_path: Path, stored: dict[str, torch.Tensor]) -> None:
    safetensors.torch.save_file(stored, tmp_path / "w")
    with pytest.raises(PackageError, match="does not fit the architecture"):
        load_network(partial(nn.Linear, 3, 2), tmp_path / "w", CPU)


def test_what_is_no_file_of_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    with pytest.raises(PackageError):
        load_network(partial(nn.Linear, 3, 2), tmp_path / "w", CPU)
    with pytest.raises(PackageError, match="cannot be read"):
        read_weights(tmp_path / "nothing")
