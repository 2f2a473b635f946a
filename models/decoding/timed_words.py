"""A word that a search has found, and when it was said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word with the model outputs at which its first and its last phone begin.

    log_prob: mean over its phones of the log probability that the acoustic model gave them.
    """

    text: str
    first_output: int
    last_output: int
    log_prob: float
