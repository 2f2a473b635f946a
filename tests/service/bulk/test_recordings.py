"""Which recordings are found, where their transcripts go, and which count as done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.bulk.recordings import plan, write_whole
from service.errors import StartError


def test_a_folder_gives_its_recordings_with_their_folders(recordings: Path, tmp_path: Path) -> None:
    tasks = plan([recordings], tmp_path / "out", ["jsonl", "srt"])
    assert [task.recording.relative_to(recordings).as_posix() for task in tasks] == [
        "inner/three.wav",
        "one.wav",
        "two.wav",
    ]
    assert tasks[0].outputs == (tmp_path / "out/inner/three.jsonl", tmp_path / "out/inner/three.srt")


def test_a_file_that_is_named_may_be_called_anything(recordings: Path, tmp_path: Path) -> None:
    (task,) = plan([recordings / "notes.txt"], tmp_path, ["jsonl"])
    assert task.outputs == (tmp_path / "notes.jsonl",)


def test_a_name_keeps_all_but_its_last_ending(recordings: Path, tmp_path: Path) -> None:
    (recordings / "2026.11.26.wav").touch()
    (task,) = plan([recordings / "2026.11.26.wav"], tmp_path, ["jsonl"])
    assert task.outputs == (tmp_path / "2026.11.26.jsonl",)


def test_a_recording_that_is_named_twice_is_done_once(recordings: Path, tmp_path: Path) -> None:
    assert len(plan([recordings, recordings], tmp_path, ["jsonl"])) == 3


def test_two_recordings_cannot_share_a_transcript(recordings: Path, tmp_path: Path) -> None:
    (recordings / "one.flac").touch()
    with pytest.raises(StartError, match=r"one\.flac and .*one\.wav would both be written to .*one\.jsonl"):
        plan([recordings], tmp_path, ["jsonl"])


def test_what_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="does not exist"):
        plan([tmp_path / "nothing"], tmp_path, ["jsonl"])
    with pytest.raises(StartError, match="no recording"):
        plan([tmp_path], tmp_path, ["jsonl"])


def test_done_are_those_with_all_transcripts_that_are_not_older(recordings: Path, tmp_path: Path) -> None:
    (task,) = plan([recordings / "one.wav"], tmp_path / "out", ["jsonl", "srt"])
    write_whole(task.outputs[0], "")
    assert not task.is_done
    write_whole(task.outputs[1], "")
    assert task.is_done
    later = task.outputs[0].stat().st_mtime + 1
    os.utime(task.recording, (later, later))
    assert not task.is_done


def test_what_was_half_written_does_not_count_and_is_replaced(recordings: Path, tmp_path: Path) -> None:
    (task,) = plan([recordings / "one.wav"], tmp_path / "out", ["jsonl"])
    half = task.outputs[0].with_name(".one.jsonl.part")
    half.parent.mkdir()
    half.write_text("{")
    assert not task.is_done
    write_whole(task.outputs[0], "whole")
    assert [path.name for path in half.parent.iterdir()] == ["one.jsonl"]
    assert task.outputs[0].read_text() == "whole"
