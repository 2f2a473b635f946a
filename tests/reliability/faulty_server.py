"""The server as `python -m service` runs it, whose model fails when the file named by FAULT_FILE says so, once.

What the file may hold: "memory" (the next step finds no memory, unless it is for one stream), "device" (the GPU is
lost), "thread" (the inference thread dies).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.errors import DeviceLost, OutOfMemory
from models.types import Result
from service.app import load_recognizer
from service.running import run_and_exit
from service.settings import Settings, load_settings


class Faulty:
    """A recognizer with the faults; otherwise the one that it was given."""

    def __init__(self, recognizer: Any, file: Path) -> None:
        self._recognizer = recognizer
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recognizer, name)

    def advance(self, streams: Sequence[Any]) -> list[list[Result]]:
        match self._fault():
            case "memory" if len(streams) > 1:
                self._file.unlink()
                raise OutOfMemory("injected")
            case "device":
                raise DeviceLost("injected")
            case "thread":
                raise SystemExit
        results: list[list[Result]] = self._recognizer.advance(streams)
        return results

    def _fault(self) -> str:
        try:
            return self._file.read_text()
        except FileNotFoundError:
            return ""


def load(settings: Settings) -> Any:
    return Faulty(load_recognizer(settings), Path(os.environ["FAULT_FILE"]))


if __name__ == "__main__":
    run_and_exit(load_settings(), load)
