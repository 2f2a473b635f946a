"""A custom package expects the words of its text, hears words that the base did not know, and keeps the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.decoding.beam import BeamDecoder
from models.errors import DataError
from models.language.arpa import SPECIAL_WORDS, encode
from models.language.customize import customize
from models.language.kneser_ney import BEGIN, count_ngrams, train
from models.language.mixture import GeneralModel, mix
from models.package import LANGUAGE_MODEL, LEXICON, open_package
from models.recognizer import Recognizer
from models.vocabulary import BLANK
from service.__main__ import main

TEXT = "The Tanely stays in Spain. Tanely stays. The rain stays on the plain!"
SENTENCES = [["the", "rain", "stays"], ["the", "rain", "in", "spain", "stays"]]
SHARE = 0.25


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def custom(tiny_package: Path, text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages") / "tanely"
    made = customize(tiny_package, [text], folder)
    assert (made.name, made.sentences, made.guessed, made.unpronounceable) == ("tanely", 3, ("tanely",), ())
    return folder


def spoken(folder: Path, *phones: str) -> torch.Tensor:
    known = open_package(folder).config.phones
    path = [BLANK, *(symbol for phone in phones for symbol in (1 + known.index(phone), BLANK))]
    scores = torch.zeros(len(path), 1 + len(known))
    scores[torch.arange(len(path)), torch.tensor(path)] = 12.0
    return scores.log_softmax(-1)


def test_the_package_is_sound_and_has_a_name_of_its_own(custom: Path) -> None:
    recognizer = Recognizer.load(custom, "cpu")
    assert recognizer.name == "tanely"
    assert recognizer.card.word_error_rates == ()


def test_words_of_the_text_are_found_and_expected(custom: Path, tiny_package: Path) -> None:
    log_probs = spoken(custom, *["t", "eI", "n", "l", "i", "s", "t", "eI", "z"])
    found = BeamDecoder(open_package(custom)).decode(log_probs)[0]
    assert found.text == "tanely stays"
    rain = spoken(custom, "r", "eI", "n")
    assert BeamDecoder(open_package(custom)).decode(rain)[0].text == "rain"
    assert (custom / LEXICON).read_text().startswith("stays s t eI z\nthe D @\n")


def test_a_package_is_not_overwritten(tiny_package: Path, text: Path, custom: Path) -> None:
    with pytest.raises(DataError, match="is a model package already"):
        customize(tiny_package, [text], custom)


def test_a_text_without_words_is_refused(tiny_package: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("...")
    with pytest.raises(DataError, match="at least one sentence"):
        customize(tiny_package, [tmp_path / "empty.txt"], tmp_path / "new")


def test_the_mixture_sums_to_one_after_every_context_and_lies_between_the_models(tiny_package: Path) -> None:
    words = [line.split()[0] for line in (tiny_package / LEXICON).read_text().splitlines()]
    tables = count_ngrams(encode(SENTENCES, words), len(SPECIAL_WORDS) + len(words), 3)
    orders = train(tables, cutoffs=[0, 0, 0], threshold=0.0)
    general = GeneralModel(tiny_package / LANGUAGE_MODEL, words, frozenset(words)).probabilities(tables)
    mixed = mix(tables, orders, general, general_share=SHARE)
    assert mixed[0].probability.sum() == pytest.approx(1.0)
    assert mixed[0].probability[BEGIN] == 0.0
    for n in (1, 2):
        wanted = (1 - SHARE) * orders[n].probability + SHARE * general[n]
        np.testing.assert_allclose(mixed[n].probability, wanted)
        contexts = len(tables[n - 1].word)
        seen = np.bincount(tables[n].context, weights=mixed[n].probability, minlength=contexts)
        below = np.bincount(tables[n].context, weights=mixed[n - 1].probability[tables[n].suffix], minlength=contexts)
        np.testing.assert_allclose(seen + mixed[n].backoff * (1 - below), 1.0)


def test_the_command_says_what_it_made(
    tiny_package: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["language-model", f"--base={tiny_package}", f"--text={text}", f"--output={tmp_path / 'mine'}"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "mine: 8 words in 3 sentences" in said
    assert "pronounced by the rules of spelling: tanely" in said
    assert main(arguments) == 2
    assert "is a model package already" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["--order=1", "--order=x", "--general-share=2", "--general-share=x"])
def test_impossible_numbers_are_refused(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["language-model", "--text=x", "--output=y", wrong])
    assert "choose" in capsys.readouterr().err
