"""Words become phones by rules; what cannot be pronounced is left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.errors import DataError
from models.training.pronunciations import phone_set, pronounce, read_pronunciations, write_pronunciations

needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="the program espeak-ng is not installed (apt-get install espeak-ng)"
)


@needs_espeak
def test_words_that_sound_alike_have_the_same_phones() -> None:
    found = pronounce(["piece", "peace", "cellar", "seller", "it's", "o'clock"])
    assert found["piece"] == found["peace"] == ("p", "i:", "s")
    assert found["cellar"] == found["seller"]
    assert len(found) == 6


@needs_espeak
def test_phones_carry_no_stress() -> None:
    phones = phone_set(pronounce(["extraordinary", "photograph", "photography", "the", "a"]))
    assert not any("'" in phone or "," in phone for phone in phones)


def test_pronunciations_are_read_as_written(tmp_path: Path) -> None:
    pronunciations = {"no": ("n", "oU"), "a": ("eI",)}
    write_pronunciations(pronunciations, tmp_path / "p.txt")
    assert read_pronunciations(tmp_path / "p.txt") == pronunciations


def test_without_the_program_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataError, match="apt-get install espeak-ng"):
        pronounce(["word"])
