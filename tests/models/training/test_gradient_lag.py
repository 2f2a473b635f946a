"""The measured gradients are those of a layer whose gradients are known."""

from __future__ import annotations

import pytest
import torch

from models.acoustic.model import AcousticConfig, AcousticModel
from models.errors import DataError
from models.training.gradient_lag import gradient_norms

HIDDEN, LAGS = 8, 12


def test_a_layer_that_forgets_half_of_its_state_at_each_step_feels_half_as_much_of_the_step_before() -> None:
    model = AcousticModel(AcousticConfig(channels=2, hidden=HIDDEN, layers=1, cell="rnn"))
    layer = model.layers[0].get_submodule("forward_lstm")
    small = 1e-3  # inputs so small that tanh is linear
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            size = {"weight_ih_l0": small, "weight_hh_l0": 0.5}.get(name, 0.0)
            parameter.copy_(size * torch.eye(HIDDEN) if parameter.ndim > 1 else torch.zeros(HIDDEN))
    frames = torch.randn(3, 300, 80, generator=torch.Generator().manual_seed(1))
    norms = gradient_norms(model, frames, torch.tensor([300, 240, 200]), LAGS)
    expected = HIDDEN**0.5 * small * 0.5 ** torch.arange(LAGS)
    torch.testing.assert_close(norms, expected.unsqueeze(0), rtol=1e-3, atol=0)


def test_utterances_shorter_than_the_lags_are_refused() -> None:
    model = AcousticModel(AcousticConfig(channels=2, hidden=HIDDEN, layers=1))
    with pytest.raises(DataError, match="has 3 steps"):
        gradient_norms(model, torch.zeros(2, 100, 80), torch.tensor([100, 20]), LAGS)
