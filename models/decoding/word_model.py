"""The words that a package knows, by number, and how likely its n-grams hold them for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary

from models.errors import PackageError

_UNKNOWN_WORD = "<unk>"


class WordModel:
    """Words <-> numbers, and log10 scores. Words that the n-grams do not know share one number: `unknown`."""

    def __init__(self, path: Path, words: Iterable[str]) -> None:
        """path: a KenLM model. words: all that a search may find. Raises PackageError."""
        self._dictionary = Dictionary([*dict.fromkeys(words), _UNKNOWN_WORD])
        self.unknown: int = self._dictionary.get_index(_UNKNOWN_WORD)
        try:
            self.n_grams = KenLM(str(path), self._dictionary)
        except RuntimeError as error:
            raise PackageError(f"{path} is not a readable KenLM model: {error}") from error

    def number(self, word: str) -> int:
        """The word's number."""
        return int(self._dictionary.get_index(word)) if self._dictionary.contains(word) else self.unknown

    def word(self, number: int) -> str:
        """The inverse of `number`."""
        return str(self._dictionary.get_entry(number))

    def first_score(self, number: int) -> float:
        """Of a word at the beginning of an utterance."""
        return float(self.n_grams.score(self.n_grams.start(False), number)[1])

    def score(self, numbers: Sequence[int]) -> float:
        """Of words one after the other, whatever comes before them."""
        state, total = self.n_grams.start(True), 0.0
        for number in numbers:
            state, score = self.n_grams.score(state, number)
            total += score
        return total
