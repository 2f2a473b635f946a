"""How words outside the lexicon are probably pronounced: rules learned from the lexicon, letter by letter.

A rule says which phones a letter becomes among certain neighbors; the rule with the most neighbors counts (IGTree:
Daelemans, van den Bosch & Weijters 1997). The rules are learned by `models/training/spelling.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from models.errors import PackageError

NEIGHBORS = (1, -1, 2, -2, 3, -3, 4, -4)  # in the order in which rules look at them
EDGE = "-"  # stands where a word has no more letters
_MOST_PRONUNCIATIONS = 4

Phones = tuple[str, ...]
Rules = Mapping[str, tuple[Phones, ...]]
"""context -> what the letter becomes, most frequent first; one or two entries"""


def context_of(word: str, at: int) -> str:
    """The letter at `at`, then its neighbors in the order of NEIGHBORS; a rule's context is a beginning of it."""
    places = [at, *(at + neighbor for neighbor in NEIGHBORS)]
    return "".join(word[place] if 0 <= place < len(word) else EDGE for place in places)


class SpellingRules:
    """Words -> pronunciations."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    @classmethod
    def read(cls, path: Path) -> SpellingRules:
        """From a file that `write_rules` has written. Raises PackageError."""
        rules: dict[str, tuple[Phones, ...]] = {}
        try:
            for line in path.read_text(encoding="utf-8").splitlines():
                context, *choices = line.split("\t")
                rules[context] = tuple(tuple(choice.split()) for choice in choices)
        except (OSError, UnicodeDecodeError) as error:
            raise PackageError(f"{path} is not a readable list of spelling rules: {error}") from error
        if not rules or not all(rules.values()):
            raise PackageError(f"{path} holds no spelling rules, or an unfinished one")
        return cls(rules)

    def pronounce(self, word: str) -> list[Phones]:
        """The likely pronunciations of a word of a-z and apostrophes, best first; none if the rules know too little.

        The first takes the first choice everywhere, each other one the second choice for one letter.
        """
        letters = [self._choices(context_of(word, at)) for at in range(len(word))]
        best = [choices[0] for choices in letters]
        readings = [best]
        readings += (
            [*best[:at], choices[1], *best[at + 1 :]] for at, choices in enumerate(letters) if len(choices) > 1
        )
        joined = dict.fromkeys(tuple(phone for phones in reading for phone in phones) for reading in readings)
        return [phones for phones in joined if phones][:_MOST_PRONUNCIATIONS]

    def _choices(self, context: str) -> tuple[Phones, ...]:
        for length in range(len(context), 0, -1):
            if (choices := self._rules.get(context[:length])) is not None:
                return choices
        return ((),)


def write_rules(rules: Iterable[tuple[str, tuple[Phones, ...]]], path: Path) -> None:
    """One rule a line: context, tab, phones with spaces between; another tab and the second choice if there is one."""
    lines = ("\t".join((context, *(" ".join(phones) for phones in choices))) for context, choices in rules)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
