"""A model package is used only when every file of it is what was sealed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from models.errors import DeviceError, PackageError
from models.package import (
    CHECKSUMS,
    CONFIG,
    CONTENTS,
    LEXICON,
    find_package,
    open_package,
    write_checksums,
    write_config,
)
from models.recognizer import Recognizer


@pytest.fixture
def package(tiny_package: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(tiny_package, tmp_path / "copy"))


def edit_config(package: Path, **changes: object) -> None:
    table = json.loads((package / CONFIG).read_text())
    (package / CONFIG).write_text(json.dumps({**table, **changes}))
    write_checksums(package)


def test_a_package_is_read_as_it_was_written(package: Path) -> None:
    before = open_package(package)
    write_config(package, before.config)
    write_checksums(package)
    assert open_package(package) == before


@pytest.mark.parametrize("name", CONTENTS)
def test_a_changed_file_is_refused(package: Path, name: str) -> None:
    with (package / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(PackageError, match="damaged or was changed"):
        open_package(package)


@pytest.mark.parametrize("name", CONTENTS)
def test_a_missing_file_is_named(package: Path, name: str) -> None:
    (package / name).unlink()
    with pytest.raises(PackageError, match=f"lacks {name}"):
        open_package(package)


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="is this a model package"):
        open_package(tmp_path)
    (tmp_path / CHECKSUMS).write_text("[]")
    with pytest.raises(PackageError, match="does not hold a JSON object"):
        open_package(tmp_path)
    (tmp_path / CHECKSUMS).write_text("{")
    with pytest.raises(PackageError, match="not valid JSON"):
        open_package(tmp_path)


def test_another_format_version_is_refused(package: Path) -> None:
    edit_config(package, format_version=99)
    with pytest.raises(PackageError, match="package format 99"):
        open_package(package)


def test_an_incomplete_configuration_is_refused(package: Path) -> None:
    edit_config(package, acoustic={"size": 3})
    with pytest.raises(PackageError, match="incomplete"):
        open_package(package)


def test_weights_of_another_architecture_are_refused(package: Path) -> None:
    table = json.loads((package / CONFIG).read_text())
    edit_config(package, acoustic={**table["acoustic"], "hidden": 17})
    with pytest.raises(PackageError, match="does not fit the architecture"):
        Recognizer.load(package, "cpu")


def test_a_package_whose_self_test_comes_out_wrong_is_refused(package: Path) -> None:
    edit_config(package, self_test_text="something else")
    with pytest.raises(PackageError, match="instead of 'something else'"):
        Recognizer.load(package, "cpu")


def test_a_name_that_nobody_knows_is_answered_with_the_known_ones() -> None:
    with pytest.raises(PackageError, match="no model package 'nobody'"):
        find_package("nobody")


def test_a_path_is_a_name(package: Path) -> None:
    assert find_package(str(package)) == package


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "mps", "cpu:x"])
def test_a_device_that_is_not_there_is_an_error(package: Path, device: str) -> None:
    with pytest.raises(DeviceError):
        Recognizer.load(package, device)


def test_auto_says_what_it_took(package: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        recognizer = Recognizer.load(package, "auto")
    assert f"taking {recognizer.device}" in caplog.text


def test_sizes_that_do_not_fit_the_weights_are_refused_before_memory_is_taken(package: Path) -> None:
    acoustic = json.loads((package / CONFIG).read_text())["acoustic"]
    edit_config(package, acoustic={**acoustic, "hidden": 8_192, "layers": 64})  # 240 GB of weights
    with pytest.raises(PackageError, match=r"does not fit the architecture in its config: \S+ is .* instead of"):
        Recognizer.load(package, "cpu")


@pytest.mark.parametrize(("name", "size"), [("hidden", 10**9), ("layers", 10**9), ("vocabulary", 0), ("phones", -1)])
def test_an_impossible_architecture_is_refused(package: Path, name: str, size: int) -> None:
    acoustic = json.loads((package / CONFIG).read_text())["acoustic"]
    edit_config(package, acoustic={**acoustic, name: size})
    with pytest.raises(PackageError, match=f"{name} is {size}; from 1 to"):
        open_package(package)


@pytest.mark.parametrize("name", [CONFIG, LEXICON, CHECKSUMS])
def test_a_file_that_is_too_large_is_not_read(package: Path, name: str) -> None:
    with (package / name).open("r+b") as file:
        file.truncate(2**31)  # a hole: it takes no room on the disk
    with pytest.raises(PackageError, match=f"{name} has 2147483648 bytes; at most"):
        open_package(package)
