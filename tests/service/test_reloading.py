"""Files that change: new content is read once, bad content is logged once, and what was good stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import StartError
from service.reloading import Reloading


def test_it_is_read_again_only_after_a_change(tmp_path: Path) -> None:
    file, reads = tmp_path / "file", []
    file.write_text("one")

    def read() -> str:
        reads.append(file.read_text())
        return reads[-1]

    reloading = Reloading([file], read)
    assert [reloading.current() for _ in range(3)] == ["one"] * 3
    file.write_text("two!")
    assert [reloading.current() for _ in range(3)] == ["two!"] * 3
    assert reads == ["one", "two!"]


def test_a_link_that_points_to_another_file_is_a_change(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    link = tmp_path / "link"
    link.symlink_to("a")
    reloading = Reloading([link], link.read_text)
    (tmp_path / "new").symlink_to("b")
    (tmp_path / "new").replace(link)
    assert reloading.current() == "b"


def test_what_changes_while_it_is_read_is_read_once_more(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")

    def read() -> str:
        text = file.read_text()
        if text == "half":
            file.write_text("whole")
        return text

    reloading = Reloading([file], read)
    file.write_text("half")
    assert [reloading.current() for _ in range(2)] == ["half", "whole"]


def test_bad_content_leaves_the_old_value_in_force_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.write_text("good")

    def read() -> str:
        if not file.exists():
            raise StartError("it is gone")
        return file.read_text()

    reloading = Reloading([file], read)
    file.unlink()
    assert [reloading.current() for _ in range(3)] == ["good"] * 3
    assert caplog.text.count("what was read before stays in force: it is gone") == 1
    file.write_text("better")
    assert reloading.current() == "better"


def test_the_first_content_must_be_good() -> None:
    def read() -> str:
        raise StartError("it is bad")

    with pytest.raises(StartError, match="it is bad"):
        Reloading([], read)
