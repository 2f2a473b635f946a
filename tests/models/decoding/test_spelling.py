"""Rules of spelling are learned from a lexicon and pronounce words that were not in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.decoding.spelling import SpellingRules, context_of, write_rules
from models.errors import DataError, PackageError
from models.training.spelling import accuracy, learn_rules

# Letters have one sound each, but c is s before e and i, and a final e is silent.
SOUNDS = {letter: letter for letter in "abdefiklmnoprstu"}


def pronounced(word: str) -> tuple[str, ...]:
    phones = []
    for at, letter in enumerate(word):
        following = word[at + 1 : at + 2]
        if letter == "x":
            phones += ["k", "s"]
        elif letter == "c":
            phones.append("s" if following and following in "ei" else "k")
        elif letter != "e" or following:
            phones.append(SOUNDS[letter])
    return tuple(phones)


CONSONANTS, VOWELS = "bcdfklmnprstx", "aeiou"
WORDS = [
    first + vowel + last + end for first in CONSONANTS for vowel in VOWELS for last in CONSONANTS for end in ("", "e")
]


@pytest.fixture(scope="module")
def rules() -> SpellingRules:
    return SpellingRules(learn_rules([(word, pronounced(word)) for word in WORDS[::2] + WORDS[1::5]]))


@pytest.mark.parametrize("word", ["cabinet", "cement", "taxi", "alone", "decide", "arcade"])
def test_new_words_are_pronounced_by_the_neighbors_of_their_letters(rules: SpellingRules, word: str) -> None:
    assert rules.pronounce(word)[0] == pronounced(word)


def test_words_with_letters_that_no_rule_knows_are_pronounced_without_them(rules: SpellingRules) -> None:
    assert rules.pronounce("zat") == [("a", "t")]
    assert rules.pronounce("zz") == []


def test_the_second_choice_for_a_letter_is_a_second_reading() -> None:
    lexicon = [(f"{first}ea{last}", (first, vowel, last)) for first in "bdfr" for last in "dlnt" for vowel in "ie"]
    readings = SpellingRules(learn_rules([*lexicon, *lexicon[::2]])).pronounce("meat")
    assert len(readings) > 1
    share, share_of_any = accuracy(learn_rules([*lexicon, *lexicon[::2]]), {"beat": [("b", "e", "t")]})
    assert (share, share_of_any) == (0.0, 1.0)


def test_contexts_run_from_the_letter_outward() -> None:
    assert context_of("rain", 1) == "airn----" + "-"


def test_rules_survive_a_file(rules: SpellingRules, tmp_path: Path) -> None:
    learned = learn_rules([(word, pronounced(word)) for word in WORDS])
    write_rules(learned.items(), tmp_path / "rules")
    again = SpellingRules.read(tmp_path / "rules")
    assert all(again.pronounce(word) == SpellingRules(learned).pronounce(word) for word in WORDS)


def test_a_file_without_rules_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("a\n")
    with pytest.raises(PackageError, match="holds no spelling rules"):
        SpellingRules.read(tmp_path / "rules")


def test_a_lexicon_that_cannot_be_aligned_is_refused() -> None:
    with pytest.raises(DataError, match="can be aligned"):
        learn_rules([("a", ("x",) * 9)])
