"""Where transcripts are written: one file for each recording, there at once and whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

STDIN = "-"


def destinations(files: Iterable[str], folder: Path, ending: str) -> dict[str, Path]:
    """The file for each recording: its name with another ending. Raises ValueError if two would be the same."""
    taken: dict[Path, str] = {}
    for file in files:
        path = folder / f"{'stdin' if file == STDIN else Path(file).stem}.{ending}"
        if path in taken:
            raise ValueError(f"{taken[path]} and {file} would both be written to {path}; use two folders")
        taken[path] = file
    return {file: path for path, file in taken.items()}


def write_whole(path: Path, text: str) -> None:
    """Writes under another name first, so that nobody ever finds half a file under this one. Makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
