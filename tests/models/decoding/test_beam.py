"""The beam search finds words of the lexicon, with their times, and prefers what the language model prefers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.decoding.beam import BeamDecoder
from models.package import UNITS, open_package
from models.vocabulary import BLANK, Vocabulary


@pytest.fixture(scope="module")
def vocabulary(tiny_package: Path) -> Vocabulary:
    return Vocabulary(tiny_package / UNITS)


@pytest.fixture(scope="module")
def decoder(tiny_package: Path, vocabulary: Vocabulary) -> BeamDecoder:
    return BeamDecoder(open_package(tiny_package), vocabulary)


def spoken(vocabulary: Vocabulary, text: str, certainty: float = 12.0) -> torch.Tensor:
    """Log probabilities of a clearly spoken text: each symbol once, blanks between."""
    path = [BLANK]
    for symbol in vocabulary.encode(text):
        path += [symbol, BLANK]
    scores = torch.zeros(len(path), len(vocabulary))
    scores[torch.arange(len(path)), torch.tensor(path)] = certainty
    return scores.log_softmax(-1)


def test_clear_speech_is_written_down(decoder: BeamDecoder, vocabulary: Vocabulary) -> None:
    text = "the rain in spain stays mainly on the plain"
    assert decoder.decode(spoken(vocabulary, text))[0].text == text


def test_words_come_with_the_outputs_at_which_they_were_said(decoder: BeamDecoder, vocabulary: Vocabulary) -> None:
    words = decoder.decode(spoken(vocabulary, "no rain"))[0].words
    assert [word.text for word in words] == ["no", "rain"]
    first, second = words
    assert first.first_output == 1
    assert first.first_output <= first.last_output < second.first_output <= second.last_output


def test_alternatives_are_different_and_ordered(decoder: BeamDecoder, vocabulary: Vocabulary) -> None:
    found = decoder.decode(spoken(vocabulary, "no rain on the plain", certainty=2.0), count=4)
    assert len({hypothesis.text for hypothesis in found}) == len(found) > 1
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
