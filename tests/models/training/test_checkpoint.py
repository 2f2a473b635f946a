"""A run goes on from its checkpoint as if it had not stopped, also from one that an earlier version has written."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch

from models.acoustic.model import AcousticConfig, AcousticModel
from models.features import FeatureConfig
from models.training.checkpoint import Learned, Position, read_checkpoint, resume, write_checkpoint
from models.training.optimizers import optimizers_of
from models.training.recipe import ScheduleConfig

CONFIG = AcousticConfig(channels=2, hidden=4, layers=1)
CPU = torch.device("cpu")


def learned(seed: int) -> Learned:
    torch.manual_seed(seed)
    model, averaged = AcousticModel(CONFIG), AcousticModel(CONFIG)
    return Learned(model, averaged, optimizers_of(model, CONFIG.cell, ScheduleConfig(optimizer="muon")))


def update(own: Learned) -> None:
    generator = torch.Generator().manual_seed(1)
    for parameter in own.model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    for optimizer in own.optimizers:
        optimizer.step()


def test_a_resumed_run_makes_the_same_next_update(tmp_path: Path) -> None:
    first, second = learned(0), learned(1)
    update(first)
    position = Position(epoch=2, update=30, done_in_epoch=7, minutes=1.5)
    write_checkpoint(tmp_path, first, position, features=FeatureConfig(), phones=("a", "b"))
    assert resume(tmp_path, second, CPU) == position
    update(first)
    update(second)
    for one, other in ((first.model, second.model), (first.averaged, second.averaged)):
        torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)


def test_a_run_without_a_checkpoint_begins_at_the_beginning(tmp_path: Path) -> None:
    assert resume(tmp_path, learned(0), CPU) == Position()


def test_a_checkpoint_from_before_there_was_a_choice_of_cells_is_that_of_an_lstm(tmp_path: Path) -> None:
    first = learned(0)
    update(first)
    acoustic = asdict(CONFIG)
    del acoustic["cell"]
    checkpoint = {
        "model": first.model.state_dict(),
        "averaged": first.averaged.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in first.optimizers],
        "features": asdict(FeatureConfig()),
        "acoustic": acoustic,
        "phones": ["a", "b"],
        "position": [0, 1, 1],
        "minutes": 0.5,
    }
    torch.save(checkpoint, tmp_path / "checkpoint.pt")
    assert resume(tmp_path, learned(1), CPU) == Position(epoch=0, update=1, done_in_epoch=1, minutes=0.5)
    assert AcousticConfig(**read_checkpoint(tmp_path)["acoustic"]) == CONFIG
