"""Results on a screen as they come: captions that correct themselves on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from hearken._command.formats import word_lines
from hearken._results import Result


class PlainLines:
    """One line for each final result, without colors; for pipes and files."""

    def __init__(self, console: Console, prefix: str = "") -> None:
        self._console = console
        self._prefix = prefix

    def show(self, result: Result) -> None:
        """Shows a result that has just come."""
        if result.is_final and result.text:
            self._print(f"{self._prefix}{result.text}")
            for line in word_lines(result):
                self._print(line)

    def _print(self, line: str) -> None:
        print(line, file=self._console.file, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LiveCaptions:
    """Final text stays; below it the interim text, dimmed as far as it may still change."""

    def __init__(self, console: Console, prefix: str = "") -> None:
        self._prefix = prefix
        self._live = Live(
            console=console, auto_refresh=False, transient=True, vertical_overflow="visible", redirect_stderr=False
        )

    def show(self, result: Result) -> None:
        """Shows a result that has just come."""
        if result.is_final:
            self._live.update(Text(), refresh=True)
            if result.text:
                self._live.console.print(Text(self._prefix + result.text))
                for line in word_lines(result):
                    self._live.console.print(Text(line, style="dim"))
        else:
            self._live.update(self._interim(result), refresh=True)

    def _interim(self, result: Result) -> Text:
        text = Text(self._prefix + result.text, style="dim")
        text.stylize("not dim", 0, len(self._prefix) + result.committed_chars)
        return text

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.update(Text(), refresh=True)
        self._live.stop()
