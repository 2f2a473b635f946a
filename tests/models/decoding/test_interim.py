"""Interim text is made of words, grows with the audio, and never takes back what it has committed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.decoding.beam import BeamDecoder
from models.decoding.phrases import Phrase, phrases_of
from models.package import LEXICON, Package, open_package
from models.types import PhraseHint
from models.vocabulary import BLANK

OUTPUT_S = 0.04
SENTENCE = "the rain in spain stays mainly on the plain"
HINTS = phrases_of([PhraseHint("naty"), PhraseHint("mainly on the plain", 9), PhraseHint("Spain", 2)])


@pytest.fixture(scope="module")
def package(tiny_package: Path) -> Package:
    return open_package(tiny_package)


@pytest.fixture(scope="module")
def decoder(package: Package) -> BeamDecoder:
    return BeamDecoder(package)


def spoken(package: Package, text: str, certainty: float, seed: int = 0) -> torch.Tensor:
    """[outputs, P] log probabilities of a text, each phone once with blanks between, in noise."""
    lexicon = dict(line.split(" ", 1) for line in package.path(LEXICON).read_text().splitlines())
    lexicon["naty"] = "n eI t i"
    path = [BLANK]
    for word in text.split():
        for phone in lexicon[word].split():
            path += [1 + package.config.phones.index(phone), BLANK]
    scores = torch.randn(len(path), 1 + len(package.config.phones), generator=torch.Generator().manual_seed(seed))
    scores[torch.arange(len(path)), torch.tensor(path)] += certainty
    return scores.log_softmax(-1)


def test_clear_speech_is_written_word_by_word(decoder: BeamDecoder, package: Package) -> None:
    search = decoder.interim(output_s=OUTPUT_S)
    texts = [search.accept(chunk).text for chunk in spoken(package, SENTENCE, certainty=14.0).split(4)]
    assert texts[-1] == SENTENCE
    assert len(set(texts)) > 5


def test_hinted_words_and_phrases_come_out_while_they_are_spoken(decoder: BeamDecoder, package: Package) -> None:
    silence = torch.full((30, 1 + len(package.config.phones)), -12.0)
    silence[:, BLANK] = 0.0
    log_probs = torch.cat([spoken(package, "rain naty mainly on the plain stays", certainty=14.0), silence])
    search = decoder.interim(output_s=OUTPUT_S, hints=HINTS)
    interims = [search.accept(chunk) for chunk in log_probs.split(4)]
    assert interims[-1].text == "rain naty mainly on the plain stays"
    assert interims[-1].words == ("rain", "naty", "mainly on the plain", "stays")
    assert interims[-1].committed_chars == len(interims[-1].text)
    assert "naty" not in decoder.interim(output_s=OUTPUT_S).accept(log_probs).text


def test_nothing_said_is_no_words(decoder: BeamDecoder, package: Package) -> None:
    silence = torch.full((50, 1 + len(package.config.phones)), -12.0)
    silence[:, BLANK] = 0.0
    interim = decoder.interim(output_s=OUTPUT_S).accept(silence)
    assert (interim.words, interim.committed, interim.text, interim.committed_chars) == ((), 0, "", 0)


@settings(max_examples=60)
@given(
    cuts=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    certainty=st.floats(0, 6),
    seed=st.integers(0, 9),
    hints=st.sampled_from([(), HINTS]),
)
def test_committed_words_never_change(
    decoder: BeamDecoder, package: Package, cuts: list[int], certainty: float, seed: int, hints: tuple[Phrase, ...]
) -> None:
    search, committed = decoder.interim(output_s=OUTPUT_S, hints=hints), ""
    log_probs, at, turn = spoken(package, " ".join([SENTENCE] * 3), certainty, seed), 0, 0
    while at < len(log_probs):
        size = cuts[turn % len(cuts)]
        interim = search.accept(log_probs[at : at + size])
        assert interim.text.startswith(committed)
        committed = interim.text[: interim.committed_chars]
        assert committed == " ".join(interim.words[: interim.committed])
        at, turn = at + size, turn + 1
    assert interim.log_prob <= 0
