"""Results on a screen as they come: captions that correct themselves on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from hearken._command.formats import channel_prefix, text_lines, word_lines
from hearken._results import Result


class PlainLines:
    """Lines for each final result, without colors; for pipes and files."""

    def __init__(self, console: Console, lines_of: Callable[[Result], Iterable[str]] | None = None) -> None:
        self._console = console
        self._lines_of = lines_of or text_lines

    def show(self, result: Result) -> None:
        """Shows a result that has just come."""
        if result.is_final:
            for line in self._lines_of(result):
                print(line, file=self._console.file, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LiveCaptions:
    """Final text stays; below it the interim text, dimmed as far as it may still change.

    words: with a line for each word, if results have them.
    """

    def __init__(self, console: Console, *, words: bool = True) -> None:
        self._words = words
        self._live = Live(
            console=console, auto_refresh=False, transient=True, vertical_overflow="visible", redirect_stderr=False
        )

    def show(self, result: Result) -> None:
        """Shows a result that has just come."""
        if result.is_final:
            self._live.update(Text(), refresh=True)
            if result.text:
                self._live.console.print(Text(channel_prefix(result) + result.text))
                for line in word_lines(result) if self._words else ():
                    self._live.console.print(Text(line, style="dim"))
        else:
            text = Text(result.text, style="dim")
            text.stylize("not dim", 0, result.committed_chars)
            self._live.update(text, refresh=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.update(Text(), refresh=True)
        self._live.stop()
