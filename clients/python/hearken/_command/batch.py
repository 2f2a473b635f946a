"""The recordings of `transcribe`: several at once, a bounded number of them in parallel, and how far each is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from types import TracebackType
from typing import Self, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from hearken._audio import AudioFile
from hearken._client import Client
from hearken._errors import HearkenError
from hearken._options import TranscribeOptions
from hearken._results import Result, Transcript

_NAME_CHARS = 32

Outcome: TypeAlias = str | HearkenError | OSError
"""What was made of a transcript, or why there is none."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file that the user has named, opened."""

    file: str
    audio: AudioFile


@dataclass(frozen=True, slots=True)
class Job:
    """What is the same for all recordings."""

    options: TranscribeOptions

    def stream(
        self, client: Client, recording: Recording, latency_ms: int | None, *, interim_results: bool
    ) -> Generator[Result, None, None]:
        """The results of one recording as they come."""
        return client.stream(recording.audio, latency_ms=latency_ms, interim_results=interim_results, **self.options)

    def transcribe(self, client: Client, recording: Recording, progress: Callable[[float], None]) -> Transcript:
        """The whole transcript of one recording."""
        return client.transcribe(recording.audio, progress=progress, **self.options)


def transcribe_all(
    client: Client,
    recordings: Sequence[Recording],
    job: Job,
    finish: Callable[[Recording, Transcript], str],
    bars: Bars,
    *,
    parallel: int,
) -> Generator[tuple[Recording, Outcome], None, None]:
    """What `finish` makes of each transcript, or why there is none; in the order of the recordings.

    `finish` runs as soon as a recording is done. When this ends early, by an exception or by close(), what has begun
    is broken off.
    """

    def work(recording: Recording) -> Outcome:
        with bars.one(recording) as progress:
            try:
                return finish(recording, job.transcribe(client, recording, progress))
            except (HearkenError, OSError) as error:
                return error

    threads = ThreadPoolExecutor(max_workers=parallel)
    try:
        yield from zip(recordings, threads.map(work, recordings), strict=True)
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)
        client.close()  # ends the calls that the threads wait for
        raise
    finally:
        threads.shutdown()


class Bars:
    """A bar for each recording that is being recognized, and one for all with the time that is left.

    Shows nothing where the console is not a terminal.
    """

    def __init__(self, console: Console, recordings: Sequence[Recording]) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        durations_s = [recording.audio.duration_s for recording in recordings]
        known_s = [duration_s for duration_s in durations_s if duration_s is not None]
        self._count, self._done, self._lock = len(recordings), 0, Lock()
        self._all = self._progress.add_task(
            self._title(), total=sum(known_s) if len(known_s) == self._count else None, visible=self._count > 1
        )

    @contextmanager
    def one(self, recording: Recording) -> Iterator[Callable[[float], None]]:
        """The bar of a recording; gives what is to be told how many seconds of it are recognized."""
        name = recording.file if len(recording.file) <= _NAME_CHARS else "…" + recording.file[1 - _NAME_CHARS :]
        duration_s = recording.audio.duration_s
        bar = self._progress.add_task(name, total=duration_s)
        recognized_s = 0.0

        def progress(so_far_s: float) -> None:
            nonlocal recognized_s
            self._progress.update(bar, completed=so_far_s)
            self._progress.advance(self._all, so_far_s - recognized_s)
            recognized_s = so_far_s

        try:
            yield progress
        finally:
            progress(duration_s or recognized_s)
            with self._lock:
                self._done += 1
                self._progress.update(self._all, description=self._title())
            self._progress.remove_task(bar)

    def print(self, text: str) -> None:
        """Prints above the bars."""
        if self._progress.disable:
            print(text, end="", flush=True)
        else:
            self._progress.console.print(text, end="", markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def _title(self) -> str:
        return f"{self._done} of {self._count} recordings"
