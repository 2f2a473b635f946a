"""Words that a search has found, and when they were said: read off its paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.decoding.hints import HintedLexicon
from models.decoding.word_model import WordModel
from models.vocabulary import BLANK


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word with the model outputs at which its first and its last phone begin.

    log_prob: mean over its phones of the log probability that the acoustic model gave them.
    """

    text: str
    first_output: int
    last_output: int
    log_prob: float


@dataclass(slots=True)
class _Phone:
    """A phone on a path: where it begins, and the best log probability of its outputs."""

    symbol: int
    output: int
    log_prob: float


@dataclass(frozen=True, slots=True)
class PathReader:
    """phones: of each symbol of the search. silence: the symbol of it. hinted: the caller's phrases."""

    words: WordModel
    phones: tuple[int, ...]
    silence: int
    hinted: HintedLexicon | None = None

    def read(
        self, path: Sequence[int], ends: Sequence[int], log_probs: Tensor, *, joins_phrases: bool = False
    ) -> tuple[TimedWord, ...]:
        """path: one symbol an output. ends: a word's number where its last phone begins, else -1.

        log_probs: [outputs, P] of phones. joins_phrases: a phrase is given as if it were one word.
        """
        symbols = torch.tensor([self.phones[symbol] for symbol in path], dtype=torch.long)
        said: list[float] = log_probs[torch.arange(len(path)), symbols].tolist()
        words: list[TimedWord] = []
        phones: list[_Phone] = []  # of the word in progress
        previous = BLANK
        for output, (symbol, word, log_prob) in enumerate(zip(path, ends, said, strict=True)):
            if symbol not in (BLANK, self.silence):
                if symbol != previous or not phones:
                    phones.append(_Phone(symbol, output, log_prob))
                else:
                    phones[-1].log_prob = max(phones[-1].log_prob, log_prob)
            if word >= 0:
                if self.hinted is None or symbol <= self.silence:
                    words.append(_timed_word(self.words.word(word), phones))
                else:
                    words += _phrase_of(phones, self.hinted, is_one=joins_phrases)
                phones = []
            previous = symbol
        return tuple(words)


def _phrase_of(phones: Sequence[_Phone], hinted: HintedLexicon, *, is_one: bool) -> list[TimedWord]:
    """The words of the phrase that these phones say; is_one: as one."""
    spoken = hinted.words_of(tuple(phone.symbol for phone in phones))
    if is_one:
        return [_timed_word(" ".join(word.text for word in spoken), phones)]
    words, at = [], 0
    for word in spoken:
        words.append(_timed_word(word.text, phones[at : at + word.phones]))
        at += word.phones
    return words


def _timed_word(text: str, phones: Sequence[_Phone]) -> TimedWord:
    log_prob = sum(phone.log_prob for phone in phones) / len(phones)
    return TimedWord(text, phones[0].output, phones[-1].output, log_prob)
