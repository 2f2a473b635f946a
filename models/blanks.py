"""Where an utterance begins and ends by the acoustic model's own outputs: shares of blanks in windows, as Riva defines.

Only for callers who ask for it: otherwise the borders depend on the audio alone (`endpointing.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.types import BlankEndpointing


@dataclass(slots=True)
class BlankEndpointer:
    """Outputs of one utterance in, its end out. output_s: from one output of the model to the next.

    is_over: the utterance has ended. is_nearly_over: the first, shorter window has announced that in the outputs taken
    last; once in each pause.
    """

    options: BlankEndpointing
    output_s: float
    is_over: bool = False
    is_nearly_over: bool = False
    _blanks: deque[bool] = field(default_factory=deque)
    _has_begun: bool = False
    _was_nearly_over: bool = False

    def accept(self, are_blank: Sequence[bool]) -> int | None:
        """Takes outputs up to the first that ends the utterance; how many that were, or None while it goes on."""
        self.is_nearly_over = False
        for number, is_blank in enumerate(are_blank, start=1):
            self._step(is_blank)
            if self.is_over:
                return number
        return None

    def _step(self, is_blank: bool) -> None:
        options = self.options
        self._blanks.append(is_blank)
        if not self._has_begun:
            window = self._window(options.start_history_s)
            if sum(not blank for blank in self._last(window)) >= options.start_threshold * window:
                self._has_begun = True
                self._blanks.clear()
            self._forget_all_but(window)
            return
        if options.first_stop_history_s is not None:
            is_quiet = self._is_quiet(options.first_stop_history_s, options.first_stop_threshold)
            self.is_nearly_over |= is_quiet and not self._was_nearly_over
            self._was_nearly_over = is_quiet
        self.is_over = self._is_quiet(options.stop_history_s, options.stop_threshold)
        self._forget_all_but(self._window(options.stop_history_s))

    def _is_quiet(self, history_s: float, threshold: float) -> bool:
        window = self._window(history_s)
        return len(self._blanks) >= window and sum(self._last(window)) >= threshold * window

    def _forget_all_but(self, count: int) -> None:
        while len(self._blanks) > count:
            self._blanks.popleft()

    def _last(self, count: int) -> list[bool]:
        return list(self._blanks)[-count:]

    def _window(self, history_s: float) -> int:
        return max(1, round(history_s / self.output_s))
