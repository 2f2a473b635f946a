"""Word and character error rates of pairs of texts (jiwer), in percent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Percent of words and of characters, and how the word errors divide."""

    wer: float
    cer: float
    substitutions: int
    deletions: int
    insertions: int


def error_rates(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorRates:
    """Both in the same spelling (lowercase, no punctuation); references must not be empty."""
    words = jiwer.process_words(list(references), list(hypotheses))
    return ErrorRates(
        wer=100 * words.wer,
        cer=100 * jiwer.cer(list(references), list(hypotheses)),
        substitutions=words.substitutions,
        deletions=words.deletions,
        insertions=words.insertions,
    )
