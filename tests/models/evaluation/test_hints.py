"""Which words count as rare, and how many of them were found."""

from __future__ import annotations

from pathlib import Path

from models.evaluation.hints import rare_words, recall
from models.package import open_package
from models.training.data import Utterance


def utterance(text: str) -> Utterance:
    return Utterance("u", Path("u.wav"), 1.0, "s", "made up", text)


def test_rare_words_are_those_late_in_the_lexicon_or_outside_it(tiny_package: Path) -> None:
    package = open_package(tiny_package)
    said = [utterance("zebulon zebulon quixote ox"), utterance("quixote zebulon")]
    assert rare_words(package, said, rank=10_000, most=9) == ["zebulon", "quixote"]
    assert rare_words(package, said, rank=10_000, most=1) == ["zebulon"]


def test_each_occurrence_counts_once() -> None:
    assert recall({"rain"}, ["rain rain", "no rain", "sun"], ["the rain", "rain rain", "rain"]) == 100 * 2 / 3
    assert recall({"rain"}, ["sun"], ["rain"]) == 0.0
