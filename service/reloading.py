"""A value read from files and read again when they change; a bad change leaves the old value in force, and is logged.

What is in the files is left to the reader that it is given.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from service.errors import StartError

logger = logging.getLogger(__name__)

T = TypeVar("T")
_Signature = tuple[tuple[int, int, int] | None, ...]


class Reloading(Generic[T]):
    """Nothing watches the files: `current` looks at their size and time, which takes microseconds."""

    def __init__(self, paths: Sequence[Path], read: Callable[[], T]) -> None:
        """Reads for the first time. read: raises StartError, here and, where it is only logged, later."""
        self._paths = paths
        self._read = read
        self._signature = self._sign()
        self._value = read()

    def current(self) -> T:
        """The value of the newest good content. Any thread may call it."""
        signature = self._sign()
        if signature != self._signature:
            # Remembered before reading: what is changed while it is read is read once more.
            self._signature = signature
            try:
                self._value = self._read()
            except StartError as error:
                logger.error("what was read before stays in force: %s", error)
            else:
                logger.info("read again: %s", ", ".join(map(str, self._paths)))
        return self._value

    def _sign(self) -> _Signature:
        return tuple(_sign_file(path) for path in self._paths)


def _sign_file(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # follows links: that is how Kubernetes replaces the files of a secret
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
