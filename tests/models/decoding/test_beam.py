"""The beam search finds words of the lexicon, with their times, and prefers what the language model prefers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.decoding.beam import BeamDecoder
from models.errors import PackageError
from models.package import LEXICON, Package, open_package, write_checksums
from models.vocabulary import BLANK


@pytest.fixture(scope="module")
def package(tiny_package: Path) -> Package:
    return open_package(tiny_package)


@pytest.fixture(scope="module")
def decoder(package: Package) -> BeamDecoder:
    return BeamDecoder(package)


def spoken(package: Package, text: str, certainty: float = 12.0) -> torch.Tensor:
    """Log probabilities of a clearly spoken text: each phone once, blanks between."""
    lexicon = dict(line.split(" ", 1) for line in package.path(LEXICON).read_text().splitlines())
    path = [BLANK]
    for word in text.split():
        for phone in lexicon[word].split():
            path += [1 + package.config.phones.index(phone), BLANK]
    scores = torch.zeros(len(path), 1 + len(package.config.phones))
    scores[torch.arange(len(path)), torch.tensor(path)] = certainty
    return scores.log_softmax(-1)


def test_clear_speech_is_written_down(decoder: BeamDecoder, package: Package) -> None:
    text = "the rain in spain stays mainly on the plain"
    assert decoder.decode(spoken(package, text))[0].text == text


def test_words_come_with_the_outputs_at_which_they_were_said(decoder: BeamDecoder, package: Package) -> None:
    words = decoder.decode(spoken(package, "no rain"))[0].words
    assert [word.text for word in words] == ["no", "rain"]
    first, second = words
    assert first.first_output == 1
    assert first.first_output <= first.last_output < second.first_output <= second.last_output


def test_alternatives_are_different_and_ordered(decoder: BeamDecoder, package: Package) -> None:
    found = decoder.decode(spoken(package, "no rain on the plain", certainty=2.0), count=4)
    assert len({hypothesis.text for hypothesis in found}) == len(found) > 1
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


def test_a_penalty_on_blanks_brings_out_words_that_were_hardly_heard(decoder: BeamDecoder, package: Package) -> None:
    hardly = spoken(package, "no", certainty=8.0)
    hardly[:, BLANK] += 12.0
    tuning = replace(package.config.decoding, blank_penalty=12.0)
    before = hardly.clone()
    assert decoder.decode(hardly)[0].text == ""
    assert decoder.decode(hardly, tuning=tuning)[0].text == "no"
    assert torch.equal(hardly, before), "the caller's log probabilities stay as they are"


def test_improbable_phones_are_not_tried(decoder: BeamDecoder, package: Package) -> None:
    text = "no rain on the plain"
    log_probs = spoken(package, text, certainty=2.0)
    least_log_prob = float(log_probs.max()) - 0.1
    tuning = replace(package.config.decoding, least_log_prob=least_log_prob)
    everything, probable = decoder.decode(log_probs, count=1000), decoder.decode(log_probs, count=1000, tuning=tuning)
    assert everything[0].text == probable[0].text == text
    assert 0 < len(probable) < len(everything)


def test_a_lexicon_with_foreign_phones_is_refused(tiny_package: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_package, tmp_path / "copy"))
    (copy / LEXICON).write_text("rain r ei n\n")
    write_checksums(copy)
    with pytest.raises(PackageError, match="does not fit the model's phones"):
        BeamDecoder(open_package(copy))


def test_readings_of_one_score_come_in_the_order_of_the_alphabet(decoder: BeamDecoder, package: Package) -> None:
    """The toy language model holds all words for equally likely, so that silence is any one word as well as another."""
    silence = torch.full((12, 1 + len(package.config.phones)), -3.0).log_softmax(-1)
    found = decoder.decode(silence, count=6)
    assert found == sorted(found, key=lambda own: (-own.score, own.text))
    # When the word was said is chance where every output is the same.
    readings = [(own.text, own.score) for own in found]
    assert all([(own.text, own.score) for own in decoder.decode(silence, count=6)] == readings for _ in range(10))
