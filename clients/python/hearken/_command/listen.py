"""The command `listen`: the microphone as live captions, and what was said into a file at the press of a key."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hearken._command.captions import LiveCaptions, PlainLines
from hearken._command.failures import explained_errors, refuse, tell
from hearken._command.files import write_whole
from hearken._command.formats import OutputFormat, render
from hearken._command.keys import Keys
from hearken._command.options import (
    Digits,
    EndSilenceS,
    Hints,
    LatencyMs,
    ModelName,
    Punctuation,
    Target,
    recognition,
)
from hearken._microphone import Microphone
from hearken._results import Result, Transcript


def listen(
    target: Target,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write what was said there, at the end and whenever you press s; its ending says how:"
            " txt, json, jsonl, srt or vtt. Default: a file named by the time, only if you press s.",
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="Input device, by name or number. Default: the system's.")
    ] = None,
    words: Annotated[bool, typer.Option("--words", help="Also print when each word was said.")] = False,
    sample_rate_hz: Annotated[int, typer.Option(help="At which to record, if the device cannot do 16000.")] = 16_000,
    hints: Hints = None,
    punctuation: Punctuation = False,
    digits: Digits = False,
    model: ModelName = "",
    latency_ms: LatencyMs = None,
    end_silence_s: EndSilenceS = None,
) -> None:
    """Print what is said into the microphone, until q or Ctrl-C; s saves it.

    Needs `pip install 'hearken[mic]'`.
    """
    notes = Notes(save)
    options = recognition(
        model=model,
        end_silence_s=end_silence_s,
        hints=hints,
        punctuation=punctuation,
        digits=digits,
        words=words or notes.needs_words,
    )
    console = Console(highlight=False)
    plain = PlainLines(console, None if words else lambda result: [result.text] if result.text else [])
    with (
        explained_errors(),
        Microphone(device=_device(device), sample_rate_hz=sample_rate_hz) as microphone,
        target.client() as client,
        _stopped_by_ctrl_c(microphone),
        Keys({"s": notes.save, "q": microphone.stop}) as keys,
        LiveCaptions(console, words=words) if console.is_terminal else plain as lines,
    ):
        if keys.are_read:
            tell("speak; s saves what was said, q ends")
        for result in client.stream(microphone, latency_ms=latency_ms, **options):
            notes.accept(result)
            lines.show(result)
    if save is not None:
        with explained_errors():
            notes.save()


class Notes:
    """What was said so far, and the file that it goes into. path: None: one in this folder, named by the time."""

    def __init__(self, path: Path | None) -> None:
        self._path = path or Path(time.strftime("hearken-%Y%m%d-%H%M%S.txt"))
        endings = [known.value for known in OutputFormat]
        if self._path.suffix[1:] not in endings:
            refuse(f"--save {self._path}: a file ends in .{', .'.join(endings)}")
        self._format = OutputFormat(self._path.suffix[1:])
        self._finals: list[Result] = []

    @property
    def needs_words(self) -> bool:
        """Whether the file is made of the times of words."""
        return self._format.is_subtitles

    def accept(self, result: Result) -> None:
        """Notes what is final."""
        if result.is_final:
            self._finals.append(result)

    def save(self) -> None:
        """Writes all that was noted, and says so. May be called from another thread."""
        said = tuple(self._finals)
        audio_s = said[-1].end_s if said else 0.0
        transcript = Transcript(said, audio_s, said[-1].model if said else "")
        try:
            write_whole(self._path, render("microphone", transcript, self._format))
        except OSError as error:
            tell(f"{error.filename}: {error.strerror}; nothing was saved")
        else:
            tell(f"saved {len(said)} utterances in {self._path}")


def _device(name: str | None) -> str | int | None:
    return int(name) if name and name.isdecimal() else name


@contextmanager
def _stopped_by_ctrl_c(microphone: Microphone) -> Iterator[None]:
    """The first Ctrl-C ends the audio, so that the last words are still recognized; the second ends the command."""

    def stop(*_: object) -> None:
        microphone.stop()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
