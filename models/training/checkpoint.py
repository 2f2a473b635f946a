"""A run's checkpoint: all that is needed to go on with it, to begin another with it, or to make a package of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from models.acoustic.model import AcousticModel
from models.features import FeatureConfig

_CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a run has come: whole epochs, updates, updates of the epoch that has begun, minutes of training."""

    epoch: int = 0
    update: int = 0
    done_in_epoch: int = 0
    minutes: float = 0.0


@dataclass(frozen=True, slots=True)
class Learned:
    """What changes with every update: the weights, their running mean, and what the optimizers remember."""

    model: AcousticModel
    averaged: AcousticModel
    optimizers: Sequence[torch.optim.Optimizer]


def read_checkpoint(run: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The tables of the run's last checkpoint, as `write_checkpoint` makes them."""
    checkpoint: dict[str, Any] = torch.load(run / _CHECKPOINT, map_location=device, weights_only=True)
    return checkpoint


def write_checkpoint(
    run: Path, learned: Learned, position: Position, *, features: FeatureConfig, phones: Sequence[str]
) -> None:
    """Replaces the run's last checkpoint; whenever it is interrupted, one of the two is whole."""
    checkpoint = {
        "model": learned.model.state_dict(),
        "averaged": learned.averaged.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in learned.optimizers],
        "features": asdict(features),
        "acoustic": asdict(learned.model.config),
        "phones": list(phones),
        "position": [position.epoch, position.update, position.done_in_epoch],
        "minutes": position.minutes,
    }
    temporary = run / "checkpoint.tmp"
    torch.save(checkpoint, temporary)
    temporary.replace(run / _CHECKPOINT)


def resume(run: Path, learned: Learned, device: torch.device) -> Position:
    """Puts the run's last checkpoint, if there is one, into `learned`; where to go on from."""
    if not (run / _CHECKPOINT).exists():
        return Position()
    checkpoint = read_checkpoint(run, device)
    learned.model.load_state_dict(checkpoint["model"])
    learned.averaged.load_state_dict(checkpoint["averaged"])
    for optimizer, state in zip(learned.optimizers, checkpoint["optimizers"], strict=True):
        optimizer.load_state_dict(state)
    epoch, update, done_in_epoch = checkpoint["position"]
    return Position(epoch, update, done_in_epoch, checkpoint["minutes"])
