"""The log of a run has a row for each epoch, also when the run was resumed."""

from __future__ import annotations

from pathlib import Path

from models.training.checkpoint import Position
from models.training.development import Rates
from models.training.run_log import append_row, read_rows


def test_rows_come_back_in_their_order_under_one_header(tmp_path: Path) -> None:
    for epoch in (1, 2):
        position = Position(epoch=epoch, update=10 * epoch, minutes=1.25)
        append_row(tmp_path, position, learning_rate=1e-3, train_loss=3.0, dev=Rates(2.5, 0.9, 0.5, 0.25))
    rows = read_rows(tmp_path)
    assert [(row["epoch"], row["update"], row["dev_per"]) for row in rows] == [
        ("1", "10", "0.2500"),
        ("2", "20", "0.2500"),
    ]
