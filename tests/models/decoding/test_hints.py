"""Hinted phrases come out where they are spoken, also words that nobody knew, and the lexicon stays what it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from flashlight.lib.text.decoder import Trie

from models.decoding.beam import BeamDecoder, Hypothesis
from models.decoding.hints import HintedLexicon, Spoken
from models.decoding.phrases import MAX_PHRASES, HintedWord, phrases_of
from models.errors import InvalidOptions
from models.package import Package, open_package
from models.types import PhraseHint
from models.vocabulary import BLANK


@pytest.fixture(scope="module")
def package(tiny_package: Path) -> Package:
    return open_package(tiny_package)


@pytest.fixture(scope="module")
def decoder(package: Package) -> BeamDecoder:
    return BeamDecoder(package)


def spoken(package: Package, *phones: str, certainty: float = 12.0) -> torch.Tensor:
    """Log probabilities of clearly spoken phones, blanks between."""
    path = [BLANK]
    for phone in phones:
        path += [1 + package.config.phones.index(phone), BLANK]
    scores = torch.zeros(len(path), 1 + len(package.config.phones))
    scores[torch.arange(len(path)), torch.tensor(path)] = certainty
    return scores.log_softmax(-1)


def decode(decoder: BeamDecoder, log_probs: torch.Tensor, *hints: PhraseHint) -> Hypothesis:
    return decoder.decode(log_probs, hints=phrases_of(hints))[0]


def test_a_word_that_nobody_knew_is_found_by_the_rules_of_spelling(decoder: BeamDecoder, package: Package) -> None:
    log_probs = spoken(package, "r", "eI", "n", "n", "eI", "t", "i", "s", "t", "eI", "z")
    assert "naty" not in decode(decoder, log_probs).text
    found = decode(decoder, log_probs, PhraseHint("Naty"))
    assert found.text == "rain naty stays"
    assert [word.first_output for word in found.words] == [1, 7, 15]


def test_a_hinted_word_wins_against_words_that_sound_alike(decoder: BeamDecoder, package: Package) -> None:
    between = (spoken(package, "s", "p", "eI", "n") + spoken(package, "s", "t", "eI", "n")).log_softmax(-1)
    assert decode(decoder, between, PhraseHint("stane", 10)).text == "stane"
    assert decode(decoder, between, PhraseHint("spain", 10)).text == "spain"


def test_a_phrase_gives_each_of_its_words_and_their_times(decoder: BeamDecoder, package: Package) -> None:
    phones = "D @", "p l eI n", "r eI n"
    log_probs = spoken(package, *(phone for own in phones for phone in own.split()))
    plain, hinted = decode(decoder, log_probs), decode(decoder, log_probs, PhraseHint("the plain rain", 3))
    assert hinted.text == plain.text == "the plain rain"
    assert hinted.words == plain.words
    assert hinted.score > plain.score + 3


def test_a_phrase_that_is_not_spoken_changes_nothing(decoder: BeamDecoder, package: Package) -> None:
    log_probs = spoken(package, "r", "eI", "n", "I", "n")
    assert decode(decoder, log_probs, PhraseHint("the plain"), PhraseHint("nitty")).text == "rain in"
    assert decoder.pronounce(HintedWord("fff")) == []
    assert decode(decoder, log_probs, PhraseHint("fff")).text == "rain in"


def test_the_bonus_is_paid_once_however_long_the_phone_lasts(decoder: BeamDecoder, package: Package) -> None:
    short = spoken(package, "s", "t", "eI", "z")
    long = torch.cat([short[:-2], short[-2:-1], short[-2:-1], short[-1:]])
    gains = [
        decode(decoder, log_probs, PhraseHint("stays", 5)).score - decode(decoder, log_probs).score
        for log_probs in (short, long)
    ]
    assert gains == pytest.approx([5, 5], abs=1e-3)


def test_searches_with_hints_leave_the_others_as_they_were(decoder: BeamDecoder, package: Package) -> None:
    log_probs = torch.randn(60, 1 + len(package.config.phones), generator=torch.Generator().manual_seed(1)).log_softmax(
        -1
    )
    before = decoder.decode(log_probs, count=5)
    for number in range(20):
        decode(decoder, log_probs, PhraseHint("naty", number / 2), PhraseHint("spain in spain"))
    assert decoder.decode(log_probs, count=5) == before


def test_hundreds_of_boosts_share_a_few_columns(decoder: BeamDecoder, package: Package) -> None:
    hints = [PhraseHint(word, boost / 50) for boost, word in enumerate(["rain", "spain", "plain in", "naty"] * 100, 1)]
    assert decode(decoder, spoken(package, "r", "eI", "n"), *hints).text == "rain"


def test_a_phrase_whose_beginning_is_missing_is_known_by_its_end() -> None:
    words = Spoken("mr", 2), Spoken("naty", 4)
    lexicon = HintedLexicon(Trie(1, 0), torch.zeros(0), torch.zeros(0), {(9,): (Spoken("a", 1),), (3, 4, 5, 6): words})
    assert lexicon.words_of((3, 4, 5, 6)) == lexicon.words_of((5, 6)) == words


def test_capitals_may_be_spoken_letter_by_letter(decoder: BeamDecoder) -> None:
    assert decoder.pronounce(HintedWord("no")) == decoder.pronounce(HintedWord("no", is_initialism=True))
    assert phrases_of([PhraseHint("GPU NASA's x")])[0].words == (
        HintedWord("gpu", is_initialism=True),
        HintedWord("nasa's"),
        HintedWord("x"),
    )


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("Zoë O\u2019Brien-Smith", ["zoe", "o'brien", "smith"]),
        ("  Hearken, Inc. ", ["hearken", "inc"]),
        ("\uff21\uff22", ["ab"]),
    ],
)
def test_phrases_are_taken_as_people_write_them(phrase: str, words: list[str]) -> None:
    assert [word.text for word in phrases_of([PhraseHint(phrase)])[0].words] == words


@pytest.mark.parametrize(
    ("hint", "sentence"),
    [
        (PhraseHint("flight 370"), "holds '370': use the letters a to z, and write numbers as words"),
        (PhraseHint("北京"), "use the letters a to z"),
        (PhraseHint("..."), "holds no word"),
        (PhraseHint("'"), "use the letters a to z"),
        (PhraseHint("x" * 101), "longer than 100 characters"),
        (PhraseHint("x", 21), "is 21; use 0 to 20"),
        (PhraseHint("x", float("nan")), "use 0 to 20"),
    ],
)
def test_phrases_that_cannot_be_looked_for_are_refused(hint: PhraseHint, sentence: str) -> None:
    with pytest.raises(InvalidOptions, match=sentence):
        phrases_of([hint])


def test_too_many_phrases_are_refused() -> None:
    with pytest.raises(InvalidOptions, match="10000 phrase hints; send at most 1000"):
        phrases_of([PhraseHint("x")] * 10_000)
    assert MAX_PHRASES == 1000
