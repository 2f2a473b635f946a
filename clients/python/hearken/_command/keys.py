"""Single keys while a command runs: read as they are pressed, where there is a terminal that gives them."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self


class Keys:
    """Calls what belongs to a key, in a thread of its own, while the `with` block lasts.

    Does nothing where the standard input is not a terminal or the system has none of Unix's (`are_read` is False).
    """

    def __init__(self, actions: Mapping[str, Callable[[], None]]) -> None:
        self._actions = actions
        self._thread: threading.Thread | None = None
        self._restore: Callable[[], None] = lambda: None

    @property
    def are_read(self) -> bool:
        """Whether pressing a key does anything."""
        return self._thread is not None

    def __enter__(self) -> Self:
        try:
            import termios
            import tty
        except ImportError:  # not a Unix
            return self
        if not sys.stdin.isatty():
            return self
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        tty.setcbreak(terminal)  # keys come one by one and are not shown; Ctrl-C still interrupts
        awake, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._read, args=(terminal, awake), name="hearken-keys", daemon=True)
        self._thread.start()

        def restore() -> None:
            os.close(self._wake)
            assert self._thread is not None
            self._thread.join()
            os.close(awake)
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)

        self._restore = restore
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _read(self, terminal: int, awake: int) -> None:
        while True:
            ready, _, _ = select.select([terminal, awake], [], [])
            if awake in ready:
                return
            key = os.read(terminal, 1).decode(errors="replace")
            if not key:
                return  # the terminal is gone
            if action := self._actions.get(key.lower()):
                action()
