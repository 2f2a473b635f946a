"""An n-gram model of a text, mixed with a general one, so that what the text lacks is still possible.

Every n-gram of the text gets a weighted mean of both models' probabilities, and so does every single word; where the
text says nothing, the mixture backs off to those. What the general model knows about longer n-grams that the text
lacks is lost: that knowledge cannot be read out of a KenLM file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from flashlight.lib.text.decoder import LMState
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary

from models.language.arpa import SPECIAL_WORDS
from models.language.kneser_ney import BEGIN, END, Floats, NGrams, Order

_TINY = 1e-9  # what rounding may leave of a backoff weight's divisor


class GeneralModel:
    """A KenLM model as the source of probabilities. Ids are those of `encode`: SPECIAL_WORDS, then the words."""

    def __init__(self, path: Path, words: Sequence[str], known: frozenset[str]) -> None:
        """known: the words that the model knows; the others share the probability of its unknown word."""
        self._dictionary = Dictionary([*SPECIAL_WORDS, *words])
        self._n_grams = KenLM(str(path), self._dictionary)
        self._unknown = np.array([word not in known for word in [*SPECIAL_WORDS, *words]])
        self._unknown[[BEGIN, END]] = False
        self._share_of_unknown = 1 / np.count_nonzero(self._unknown)

    def probabilities(self, tables: Sequence[NGrams]) -> list[Floats]:
        """Per order [K]: of each n-gram's last word after the others."""
        start = self._n_grams.start(True)
        states: list[LMState | None] = [start]
        found = []
        for table in tables:
            scores = np.zeros(len(table.word))
            after: list[LMState | None] = []
            for row, (context, word) in enumerate(zip(table.context.tolist(), table.word.tolist(), strict=True)):
                state, score = self._step(states[context], word)
                scores[row] = score
                after.append(state)
            probabilities = 10.0**scores
            probabilities[self._unknown[table.word]] *= self._share_of_unknown
            probabilities[table.word == BEGIN] = 0.0
            found.append(probabilities)
            states = after
        return found

    def _step(self, state: LMState | None, word: int) -> tuple[LMState | None, float]:
        if word == BEGIN:
            return self._n_grams.start(False), 0.0
        if word == END:
            return None, float(self._n_grams.finish(state)[1])
        state, score = self._n_grams.score(state, word)
        return state, float(score)


def mix(
    tables: Sequence[NGrams], orders: Sequence[Order], general: Sequence[Floats], *, general_share: float
) -> list[Order]:
    """The model of `orders` and the general probabilities of its n-grams, mixed; it sums to 1 after any context."""
    mixed: list[Order] = []
    contexts = 1
    for table, order, other in zip(tables, orders, general, strict=True):
        probability = (1 - general_share) * order.probability + general_share * other
        if not mixed:
            probability /= probability.sum()
            backoff = np.ones(1)
        else:
            below = mixed[-1].probability[table.suffix]
            kept = np.bincount(table.context, weights=order.kept * probability, minlength=contexts)
            covered = np.bincount(table.context, weights=order.kept * below, minlength=contexts)
            backoff = np.maximum(1 - kept, 0.0) / np.maximum(1 - covered, _TINY)
        mixed.append(Order(order.kept, probability, backoff))
        contexts = len(probability)
    return mixed
