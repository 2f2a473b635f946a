"""A training recipe: one TOML file, checked once, frozen.

[data] names corpora, [features] [model] [augment] [chunks] [schedule] set the rest; an unknown key is an error.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from models.acoustic.model import AcousticConfig
from models.errors import DataError
from models.features import FeatureConfig
from models.training.augment import AugmentConfig


@dataclass(frozen=True, slots=True)
class DataConfig:
    """train, dev: corpus folders, relative to the folder given on the command line. dev_utterances: about so many of
    them are recognized after each epoch. units: word pieces of the
    vocabulary (V); 0: characters. shares: corpus (as in its manifest) -> part of it that an epoch sees, drawn anew for
    each; a corpus that is not named is seen whole."""

    train: tuple[str, ...] = ("train",)
    shares: dict[str, float] = field(default_factory=dict)
    dev: str = "dev"
    units: int = 0
    dev_utterances: int = 200
    min_seconds: float = 0.3
    max_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class ChunkConfig:
    """Chunked training: the share of batches that are seen as a stream sees them, from a given part of the run on.

    shapes: pairs (chunk steps, look-ahead steps), drawn with equal chance.
    """

    share: float = 0.5
    from_progress: float = 0.5
    shapes: tuple[tuple[int, int], ...] = ((1, 1), (2, 2), (4, 4), (8, 8))


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """Epochs, batch sizes and the learning rate: linear warm-up, constant, cosine decay at the end.

    minutes: the run ends after so much time, whatever its epochs; 0: no such end. report_epochs: so many epochs lie
    between two rows of the log.
    batch_seconds: padded audio of one update of one process, at the beginning and after `grow_after_epochs`.
    realign_from_progress: until then frame labels are a flat start, from then on the model finds them itself.
    frame_weights: of the loss of frame labels at the beginning and at the end, linear between (`flat_start.py`).
    consistency_weight: above 0 each utterance is twice in its batch, masked in two ways, and the model learns to hear
    the same in both (`loss.py`).
    """

    epochs: int = 12
    minutes: float = 0.0
    report_epochs: int = 1
    batch_seconds: float = 50.0
    grown_batch_seconds: float = 80.0
    grow_after_epochs: int = 2
    learning_rate: float = 1.2e-3
    warmup_updates: int = 300
    realign_from_progress: float = 0.1
    frame_weights: tuple[float, float] = (1.0, 0.2)
    consistency_weight: float = 0.0
    decay_progress: float = 0.4
    weight_decay: float = 1e-4
    gradient_clip: float = 5.0
    average_decay: float = 0.999
    optimizer: Literal["adamw", "muon"] = "adamw"
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that a run depends on beside the data itself."""

    data: DataConfig = field(default_factory=DataConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    model: AcousticConfig = field(default_factory=AcousticConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    chunks: ChunkConfig = field(default_factory=ChunkConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)


_SECTIONS: dict[str, type[Any]] = {
    "data": DataConfig,
    "features": FeatureConfig,
    "model": AcousticConfig,
    "augment": AugmentConfig,
    "chunks": ChunkConfig,
    "schedule": ScheduleConfig,
}


def read_recipe(path: Path) -> Recipe:
    """Reads a recipe. Raises DataError for a missing file, a syntax error, an unknown section, key or cell."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"the recipe {path} cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"the recipe {path} is not valid TOML: {error}") from error
    unknown = set(tables) - set(_SECTIONS)
    if unknown:
        raise DataError(f"{path}: unknown sections {sorted(unknown)}; known are {sorted(_SECTIONS)}")
    return Recipe(**{name: _section(path, name, table) for name, table in tables.items()})


def _section(path: Path, name: str, table: dict[str, Any]) -> Any:
    kind = _SECTIONS[name]
    known = {f.name for f in fields(kind)}
    unknown = set(table) - known
    if unknown:
        raise DataError(f"{path}: unknown keys {sorted(unknown)} in [{name}]; known are {sorted(known)}")
    try:
        return kind(**{key: _frozen(value) for key, value in table.items()})
    except ValueError as error:
        raise DataError(f"{path}: [{name}] {error}") from error


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
