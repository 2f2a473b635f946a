"""Which recordings there are, where their transcripts go, and which of these are there already.

What is in a transcript is left to transcripts.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.errors import StartError

ENDINGS = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus"})
"""Of the files of a folder that are recordings. A file that is named by itself may be called anything."""

_UNFINISHED = ".part"


@dataclass(frozen=True, slots=True)
class Task:
    """One recording and the files that are to be made of it, one for each format."""

    recording: Path
    outputs: tuple[Path, ...]

    @property
    def is_done(self) -> bool:
        """Whether all files are there and none is older than the recording."""
        try:
            made_at = min(output.stat().st_mtime_ns for output in self.outputs)
        except FileNotFoundError:
            return False
        return made_at >= self.recording.stat().st_mtime_ns


def plan(inputs: Iterable[Path], output: Path, endings: Sequence[str]) -> list[Task]:
    """A task for each recording. Below `output` the folders are those of the input folder.

    Raises StartError for an input that does not exist, no recording at all, or two that would share a transcript.
    """
    tasks: dict[Path, Task] = {}
    for recording, name in _found(inputs):
        stem = output / name.with_suffix("")
        task = Task(recording, tuple(stem.with_name(f"{stem.name}.{ending}") for ending in endings))
        other = tasks.setdefault(stem, task)
        if other.recording != recording:
            raise StartError(
                f"{other.recording} and {recording} would both be written to {task.outputs[0]}; give them other names,"
                " or transcribe them into two folders"
            )
    if not tasks:
        raise StartError(f"there is no recording ({', '.join(sorted(ENDINGS))}) in what was named")
    return list(tasks.values())


def write_whole(path: Path, text: str) -> None:
    """Writes under another name first, so that a file under this one is complete, whenever the machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}{_UNFINISHED}")
    with unfinished.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _found(inputs: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Recordings, and their names below the folder that was named."""
    for path in inputs:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
            yield from ((recording, recording.relative_to(path)) for recording in found)
        elif path.exists():
            yield path, Path(path.name)
        else:
            raise StartError(f"{path} does not exist; name a recording, or a folder with recordings")
