"""`batch` as a user runs it, with the tiny model."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from models.recognizer import Recognizer
from models.types import AudioFormat, RecognitionOptions
from service.__main__ import main
from tests.programs import program

Batch = Callable[..., subprocess.CompletedProcess[str]]


def test_a_folder_is_transcribed_and_what_failed_is_told_and_tried_again(
    batch: Batch, recordings: Path, tiny_package: Path, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    bad = recordings / "bad.wav"
    bad.write_bytes(b"no audio at all")
    ran = batch(recordings, "--output", output, "--format", "jsonl", "--format", "srt", "--workers", "2")
    assert ran.returncode == 3, ran.stderr
    assert f"{bad}: the audio has no WAV" in ran.stderr
    assert ran.stderr.endswith("3 transcribed, 0 were done already, 1 failed\n")
    found = sorted(path.relative_to(output).as_posix() for path in output.rglob("*.*"))
    stems = ("inner/three", "one", "two")
    assert found == [f"{stem}.{ending}" for stem in stems for ending in ("jsonl", "srt")]

    lines = [json.loads(line) for line in (output / "one.jsonl").read_text().splitlines()]
    audio = (recordings / "one.wav").read_bytes()
    alone = Recognizer.load(tiny_package, "cpu").transcribe(audio, AudioFormat(), RecognitionOptions(interim=False))
    assert [line["text"] for line in lines] == [result.alternatives[0].transcript for result in alone]
    assert {line["file"] for line in lines} == {str(recordings / "one.wav")}

    (output / "two.srt").unlink()
    bad.write_bytes(audio)
    untouched = (output / "one.jsonl").stat().st_mtime_ns
    again = batch(recordings, "--output", output, "--format", "jsonl", "--format", "srt", "--workers", "1")
    assert again.returncode == 0, again.stderr
    assert again.stderr.endswith("2 transcribed, 2 were done already, 0 failed\n")
    assert (output / "one.jsonl").stat().st_mtime_ns == untouched
    assert (output / "two.srt").exists() and (output / "bad.jsonl").exists()


def test_a_worker_that_is_killed_is_replaced_and_its_recording_done_again(
    command: Callable[..., list[str]], environment: dict[str, str], recordings: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "endless.wav"  # its reader is in the middle of it for as long as the test wants
    os.mkfifo(pipe)
    listed = tmp_path / "list"
    listed.write_text(f"{pipe}\n{recordings}\n")
    arguments = command(f"@{listed}", "--output", tmp_path / "output", "--workers", "1")
    with program(arguments, env=environment, stderr=subprocess.PIPE, text=True) as running:
        with pipe.open("wb"):
            (reader,) = [process for process in children(running.pid) if has_open(process, pipe)]
            os.kill(reader, 9)
            assert running.stderr is not None
            next(line for line in running.stderr if "its process was killed" in line)
        with pipe.open("wb") as writer:
            writer.write((recordings / "one.wav").read_bytes())
        _, said = running.communicate(timeout=120)
    assert running.returncode == 0, said
    assert said.endswith("4 transcribed, 0 were done already, 0 failed\n")
    texts = [(tmp_path / "output" / name).read_text() for name in ("endless.jsonl", "one.jsonl")]
    assert [json.loads(line)["text"] for line in texts[0].splitlines()] == [
        json.loads(line)["text"] for line in texts[1].splitlines()
    ]


def test_what_cannot_begin_says_so_and_exits_with_2(
    recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["batch", str(tmp_path / "missing"), "--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"hearken: {tmp_path / 'missing'} does not exist; name a recording, or a folder with recordings\n"
    )
    model = str(tmp_path / "no-package")
    assert main(["batch", str(recordings), "--output", str(tmp_path), "--model", model]) == 2
    assert "no-package" in capsys.readouterr().err


def children(pid: int) -> list[int]:
    """Processes that this one has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def has_open(pid: int, path: Path) -> bool:
    """Whether a process has this file open."""
    return any(os.path.samefile(link, path) for link in Path(f"/proc/{pid}/fd").iterdir() if os.path.exists(link))
