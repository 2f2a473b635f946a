"""How far a bulk transcription is: a bar on a terminal, otherwise a line a minute."""

from __future__ import annotations

import logging
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.bulk.worker import Failed, Outcome

log = logging.getLogger(__name__)

_LINE_EVERY_S = 60.0


class Tally:
    """Counts outcomes and shows them while it is entered."""

    def __init__(self, recordings: int) -> None:
        console = Console(stderr=True)
        self.done = 0
        self.audio_s = 0.0
        self.failed: list[Failed] = []
        self._recordings = recordings
        self._began = self._last_line = time.monotonic()
        self._bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("recordings, {task.description}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(self._so_far(), total=recordings)
        # Log lines go above the bar, not through it.
        if console.is_terminal:
            handler = RichHandler(console=console, show_path=False, show_time=False, show_level=False)
            logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler], force=True)

    def count(self, outcome: Outcome) -> None:
        """Takes one more outcome."""
        if isinstance(outcome, Failed):
            self.failed.append(outcome)
        else:
            self.done += 1
            self.audio_s += outcome.audio_s
        self._bar.update(self._task, advance=1, description=self._so_far())
        if self._bar.disable and time.monotonic() - self._last_line > _LINE_EVERY_S:
            self._last_line = time.monotonic()
            log.info("%d of %d recordings, %s", self.done + len(self.failed), self._recordings, self._so_far())

    def _so_far(self) -> str:
        speed = self.audio_s / max(time.monotonic() - self._began, 1e-3)
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{self.audio_s / 3600:.1f} h of audio, {speed:.0f} x real time{failed}"

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
