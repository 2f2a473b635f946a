"""Text is written as one caller wishes: capitals, marks, masks, replacements, and words that keep their times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text.formatting import Formatter
from models.text.profanity import masked
from models.text.punctuation import punctuated
from models.types import PhraseHint, Replacement, TextOptions, Word

ALL = TextOptions(inverse_text_normalization=True, automatic_punctuation=True, profanity_filter=True)


def spoken(text: str) -> list[Word]:
    return [Word(word, float(at), at + 0.5, 0.5 + at / 100) for at, word in enumerate(text.split())]


def written(text: str, options: TextOptions, *hints: str) -> str:
    formatter = Formatter(options, [PhraseHint(hint) for hint in hints])
    return formatter.transcript(formatter.words(spoken(text)))


def test_verbatim_is_the_default() -> None:
    formatter, words = Formatter(TextOptions()), spoken("twenty one shit i")
    assert formatter.words(words) == tuple(words)
    assert formatter.transcript(words) == "twenty one shit i"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("we will be home at seven", "We will be home at seven."),
        ("i think i'm late on monday", "I think I'm late on Monday."),
        ("where is the train", "Where is the train?"),
        ("is it raining", "Is it raining?"),
        ("and did you see it", "And did you see it?"),
        ("what a day", "What a day."),
        ("do not disturb", "Do not disturb."),
        ("well that is true", "Well, that is true."),
        ("no", "No."),
        ("he ran as fast as he could but he was late", "He ran as fast as he could, but he was late."),
        ("meet me at 7 p.m.", "Meet me at 7 p.m."),
    ],
)
def test_capitals_and_marks(text: str, sentence: str) -> None:
    assert " ".join(punctuated(text.split(), {})) == sentence


def test_hints_keep_their_capitals() -> None:
    options = TextOptions(automatic_punctuation=True)
    assert (
        written("ask zarathustra about gpu prices", options, "Zarathustra", "GPU")
        == "Ask Zarathustra about GPU prices."
    )


def test_profane_words_lose_all_but_their_first_letter_and_no_others_do() -> None:
    assert masked("Shit, that fucking cocktail of the dickens!") == "S***, that f****** cocktail of the dickens!"


def test_replacements_are_literal_and_made_once_from_left_to_right() -> None:
    replacements = (Replacement("new york", "NYC"), Replacement("a", "b"), Replacement("b", "a"), Replacement(".", ""))
    assert written("new york a b", TextOptions(replacements=replacements)) == "NYC b a"


def test_replacements_may_ignore_case() -> None:
    replacements = (Replacement("Hearken", "HK"), Replacement("hearken", "hk", True), Replacement("c++", "x", True))
    options = TextOptions(automatic_punctuation=True, replacements=replacements)
    assert written("hearken hears c++", options) == "HK hears x."
    assert written("we hearken", options) == "We hk."


def test_replaced_text_cannot_grow_without_end() -> None:
    replacements = tuple(Replacement("a", "a" * 100) for _ in range(100))
    assert len(written("a", TextOptions(replacements=replacements))) == 100


def test_several_words_that_become_one_keep_their_times() -> None:
    (first, second, third) = Formatter(ALL).words(spoken("it costs five dollars and twenty cents"))
    assert (third.text, third.start_s, third.end_s) == ("$5.20.", 2.0, 6.5)
    assert third.confidence == pytest.approx(0.54)
    assert (first.text, second.text) == ("It", "costs")


def test_everything_at_once() -> None:
    options = TextOptions(True, True, True, (Replacement("p.m.", "PM"),))
    assert written("can you come at seven thirty p m you bastard", options) == "Can you come at 7:30 PM you b******?"


@given(st.lists(st.sampled_from("i yes but what is the cat twenty one shit may third".split()), max_size=12))
def test_no_words_are_lost_and_none_come_from_nowhere(words: list[str]) -> None:
    formatter = Formatter(TextOptions(automatic_punctuation=True))
    found = formatter.words(spoken(" ".join(words)))
    assert [word.text.lower().rstrip(".,?") for word in found] == words
