"""log.csv of a run: a row for each epoch."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

from models.training.checkpoint import Position
from models.training.development import Rates

log = logging.getLogger(__name__)

_FILE = "log.csv"


def append_row(run: Path, position: Position, *, learning_rate: float, train_loss: float, dev: Rates) -> None:
    """Writes the row of the epoch that ends at `position`, and tells it."""
    row = {
        "minutes": f"{position.minutes:.1f}",
        "epoch": position.epoch,
        "update": position.update,
        "learning_rate": f"{learning_rate:.2e}",
        "train_loss": f"{train_loss:.4f}",
        "dev_loss": f"{dev.loss:.4f}",
        "dev_wer": f"{dev.wer:.4f}",
        "dev_cer": f"{dev.cer:.4f}",
        "dev_per": f"{dev.per:.4f}",
    }
    log.info("%s", row)
    path = run / _FILE
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def read_rows(run: Path) -> list[dict[str, str]]:
    """The rows, oldest first."""
    with (run / _FILE).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
