"""A package may have a speller, whole and checked; it writes words of what was heard."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.acoustic.speller import Speller, SpellerConfig
from models.decoding.spelled import SpellingDecoder
from models.errors import PackageError
from models.package import PIECES, SPELLER, UNITS, open_package, write_checksums, write_config
from models.weights import write_weights


@pytest.fixture
def package(tiny_package: Path, tmp_path: Path) -> Path:
    """The tiny package with a speller of random weights."""
    folder = Path(shutil.copytree(tiny_package, tmp_path / "spelling"))
    before = open_package(folder).config
    config = SpellerConfig(before.acoustic.phones, before.acoustic.vocabulary, hidden=8, layers=1)
    torch.manual_seed(1)
    write_weights(Speller(config).state_dict(), folder / SPELLER)
    shutil.copyfile(folder / UNITS, folder / PIECES)
    write_config(folder, replace(before, speller=config))
    write_checksums(folder)
    return folder


def test_it_writes_of_what_was_heard_and_of_silence_nothing(package: Path) -> None:
    opened = open_package(package)
    decoder = SpellingDecoder(opened)
    phones = opened.config.acoustic.phones
    torch.manual_seed(2)
    heard = (3 * torch.randn(40, phones)).log_softmax(dim=-1)
    assert decoder.text(heard) == decoder.text(heard) != ""
    silence = torch.full((40, phones), -20.0)
    silence[:, 0] = 0.0
    assert decoder.text(silence) == ""


@pytest.mark.parametrize("name", [SPELLER, PIECES])
def test_a_missing_or_changed_file_is_refused(package: Path, name: str) -> None:
    with (package / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(PackageError, match="damaged or was changed"):
        open_package(package)
    (package / name).unlink()
    with pytest.raises(PackageError, match=f"lacks {name}"):
        open_package(package)


def test_sizes_beyond_reason_are_refused(package: Path) -> None:
    before = open_package(package).config
    assert before.speller is not None
    write_config(package, replace(before, speller=replace(before.speller, hidden=1_000_000)))
    write_checksums(package)
    with pytest.raises(PackageError, match="hidden is 1000000"):
        open_package(package)


def test_a_package_without_one_says_so(tiny_package: Path) -> None:
    with pytest.raises(PackageError, match="has no speller"):
        SpellingDecoder(open_package(tiny_package))
