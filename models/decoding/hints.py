"""A lexicon with a caller's phrases in front: each is one entry, and its last phone earns a bonus.

The search (flashlight) knows no bonus for single words, and a language model in Python would be asked a hundred
thousand times an utterance. So a phrase's last phone gets a symbol of its own: a copy of the phone's column with the
bonus added. A word's last phone takes exactly one output in this search, so the bonus is paid once. The phrase's other
nodes promise a part of it, so that it is not dropped before its end.

The package's lexicon is a tree that is shared by all: only the nodes on the phrases' ways are copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, product

import torch
from flashlight.lib.text.decoder import Trie, TrieNode
from torch import Tensor

from models.decoding.phrases import HintedWord, Phrase
from models.decoding.word_model import WordModel

_MAX_COLUMNS = 48
_FIRST_STEP = 0.5  # bonuses are rounded to multiples of this, or of more until there are few enough columns
_MOST_READINGS = 4  # of one phrase

PhoneIds = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word of a phrase and how many phones it has."""

    text: str
    phones: int


@dataclass(frozen=True, slots=True)
class HintedLexicon:
    """trie: the lexicon with the phrases. phones, bonuses: [J] of the additional columns.

    entries: the words of a phrase by its symbols, of which the last is a column.
    """

    trie: Trie
    phones: Tensor
    bonuses: Tensor
    entries: dict[PhoneIds, tuple[Spoken, ...]]

    @property
    def largest_bonus(self) -> float:
        """Of the phrases; 0 if none is to be preferred."""
        largest: float = max([0.0, *self.bonuses.tolist()])
        return largest

    def columns(self, log_probs: Tensor) -> Tensor:
        """[outputs, P] -> [outputs, J]"""
        return log_probs[:, self.phones] + self.bonuses

    def words_of(self, symbols: PhoneIds) -> tuple[Spoken, ...]:
        """Of the phrase with these symbols; where its beginning is missing, of one that ends so."""
        if (words := self.entries.get(symbols)) is not None:
            return words
        return next(words for known, words in self.entries.items() if known[-len(symbols) :] == symbols)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One way to say a phrase. label: of its last word."""

    words: tuple[Spoken, ...]
    phones: PhoneIds
    label: int
    bonus: float


@dataclass(frozen=True, slots=True)
class SearchWeights:
    """What the search multiplies log10 scores with, and adds for each word."""

    language_model: float
    word_bonus: float


def add_phrases(
    base: Trie,
    phrases: Iterable[Phrase],
    pronounce: Callable[[HintedWord], Sequence[PhoneIds]],
    words: WordModel,
    weights: SearchWeights,
    *,
    first_column: int,
    root: int,
) -> HintedLexicon:
    """base: stays as it is. first_column: number of the first additional symbol. root: symbol of base's root."""
    entries = [entry for phrase in phrases for entry in _entries_of(phrase, pronounce, words, weights)]
    step = _FIRST_STEP
    while len(columns := _columns(entries, step)) > _MAX_COLUMNS:
        step *= 2
    numbers = {column: first_column + number for number, column in enumerate(columns)}
    tree = _Copy(base, first_column + len(columns), root)
    spoken: dict[PhoneIds, tuple[Spoken, ...]] = {}
    for entry in entries:
        *before, last = entry.phones
        bonus = _rounded(entry.bonus, step)
        key = (*before, numbers[last, bonus])
        if key not in spoken:
            spoken[key] = entry.words
            promised = bonus / weights.language_model if weights.language_model > 0 else 0.0
            tree.insert(key, entry.label, words.first_score(entry.label), promised)
    phones = torch.tensor([phone for phone, _ in columns], dtype=torch.long)
    return HintedLexicon(tree.finish(), phones, torch.tensor([bonus for _, bonus in columns]), spoken)


def _entries_of(
    phrase: Phrase,
    pronounce: Callable[[HintedWord], Sequence[PhoneIds]],
    words: WordModel,
    weights: SearchWeights,
) -> list[_Entry]:
    labels = [words.number(word.text) for word in phrase.words]
    # The search scores an entry as if it were its last word alone, so the bonus makes up for the others.
    others = weights.language_model * (words.score(labels) - words.score(labels[-1:]))
    bonus = len(labels) * phrase.boost + others + (len(labels) - 1) * weights.word_bonus
    readings = product(*(pronounce(word) for word in phrase.words))
    return [
        _Entry(
            tuple(Spoken(word.text, len(own)) for word, own in zip(phrase.words, reading, strict=True)),
            tuple(phone for own in reading for phone in own),
            labels[-1],
            bonus,
        )
        for reading in islice(readings, _MOST_READINGS)
    ]


def _columns(entries: Iterable[_Entry], step: float) -> list[tuple[int, float]]:
    return sorted({(entry.phones[-1], _rounded(entry.bonus, step)) for entry in entries})


def _rounded(bonus: float, step: float) -> float:
    return round(bonus / step) * step


class _Copy:
    """A trie that shares the nodes of another, except those that are changed."""

    def __init__(self, base: Trie, symbols: int, root: int) -> None:
        self._trie = Trie(symbols, root)
        self._nodes: dict[PhoneIds, TrieNode] = {(): self._trie.search([])}
        self._children: dict[PhoneIds, dict[int, TrieNode]] = {(): base.search([]).children}

    def insert(self, symbols: PhoneIds, label: int, score: float, promised: float) -> None:
        """Adds an entry. score: of its label. promised: what is promised on the way to its end, more and more."""
        for length in range(1, len(symbols) + 1):
            node = self._own(symbols[:length])
            node.max_score = max(node.max_score, score + promised * length / len(symbols))
        node.labels, node.scores = [label], [score]

    def finish(self) -> Trie:
        """The trie; nothing can be added to it any more."""
        for symbols, children in self._children.items():
            self._nodes[symbols].children = children
        return self._trie

    def _own(self, symbols: PhoneIds) -> TrieNode:
        if (node := self._nodes.get(symbols)) is not None:
            return node
        siblings, last = self._children[symbols[:-1]], symbols[-1]
        shared = siblings.get(last)
        node = TrieNode(last)
        node.max_score = float("-inf")
        children: dict[int, TrieNode] = {}
        if shared is not None:
            node.labels, node.scores, node.max_score = shared.labels, shared.scores, shared.max_score
            children = shared.children
        self._nodes[symbols], self._children[symbols], siblings[last] = node, children, node
        return node
