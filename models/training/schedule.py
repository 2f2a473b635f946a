"""How the learning rate runs over a training: linear warm-up, constant, cosine decay to zero."""

from __future__ import annotations

import math

from models.training.recipe import ScheduleConfig


def learning_rate(update: int, progress: float, config: ScheduleConfig) -> float:
    """The rate of update number `update` (from 0) at `progress` (0 to 1) of the whole run."""
    warmup = min(1.0, (update + 1) / config.warmup_updates)
    decaying = (
        max(0.0, (progress - (1 - config.decay_progress)) / config.decay_progress) if config.decay_progress else 0.0
    )
    return config.learning_rate * warmup * 0.5 * (1 + math.cos(math.pi * min(1.0, decaying)))
