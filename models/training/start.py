"""What a run begins with when it does not begin from nothing: another run, or a model package."""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from models.features import FeatureConfig
from models.package import UNITS, WEIGHTS, is_package, open_package
from models.training.checkpoint import read_checkpoint
from models.weights import read_weights

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """weights: by name, of the averaged model. units: file of its letters. phones: those it tells apart, by id from 1.

    features: as it has learned to read them, normalization included.
    """

    weights: dict[str, Tensor]
    units: Path
    phones: tuple[str, ...]
    features: FeatureConfig

    @property
    def fingerprint(self) -> int:
        """A number that other weights have not."""
        return zlib.crc32(b"".join(self.weights[name].cpu().numpy().tobytes() for name in sorted(self.weights)))

    def load_into(self, model: nn.Module) -> None:
        """The weights whose sizes fit replace the model's own; another vocabulary, say, leaves its head as it is."""
        own = model.state_dict()
        fitting = {name: tensor for name, tensor in self.weights.items() if tensor.shape == own[name].shape}
        model.load_state_dict({**own, **fitting})
        log.info("beginning with the weights of %d of %d tensors", len(fitting), len(own))


def read_start(folder: Path) -> Start:
    """Reads a run's last checkpoint, or a package. Raises PackageError for a damaged package."""
    if is_package(folder):
        package = open_package(folder)
        config = package.config
        return Start(read_weights(package.path(WEIGHTS)), package.path(UNITS), config.phones, config.features)
    checkpoint = read_checkpoint(folder)
    return Start(
        weights=checkpoint["averaged"],
        units=folder / UNITS,
        phones=tuple(checkpoint["phones"]),
        features=FeatureConfig(**checkpoint["features"]),
    )
