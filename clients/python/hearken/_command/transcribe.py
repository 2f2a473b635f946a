"""The command `transcribe`: recordings into text, files and subtitles.

How results look is left to `captions.py` and `formats.py`, several recordings at once to `batch.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hearken._audio import AudioFile
from hearken._command import EXIT_OK, formats
from hearken._command.batch import Bars, Job, Outcome, Recording, transcribe_all
from hearken._command.captions import LiveCaptions, PlainLines
from hearken._command.failures import explain, explained_errors, refuse, tell
from hearken._command.files import STDIN, destinations, write_whole
from hearken._command.formats import OutputFormat
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
from hearken._errors import AudioError, ConnectionFailed
from hearken._results import Transcript


def transcribe(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Recordings; - is the standard input."),
    ],
    target: Target,
    output_format: Annotated[
        OutputFormat,
        typer.Option(
            "--output-format", "--format", help="Text, JSON a recording, JSON an utterance (by line), or subtitles."
        ),
    ] = OutputFormat.TXT,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    output_dir: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write a file for each recording, and print its name. Default: print all."),
    ] = None,
    words: Annotated[
        bool, typer.Option("--words", help="Also when each word was said (not with srt and vtt).")
    ] = False,
    parallel: Annotated[int, typer.Option(metavar="N", min=1, help="Recordings under way at the same time.")] = 4,
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--no-live", help="Captions while it is recognized. Default: for one recording on a terminal."
        ),
    ] = None,
    pace: Annotated[
        float | None, typer.Option(metavar="SPEED", help="Send at this speed; 1 is that of speech. Default: at once.")
    ] = None,
    sample_rate_hz: Annotated[
        int | None, typer.Option(help="Of raw 16-bit audio, which has no header: samples a second.")
    ] = None,
    separate_channels: Annotated[
        bool, typer.Option("--separate-channels", help="Recognize each channel by itself; lines say which.")
    ] = False,
    hints: Hints = None,
    punctuation: Punctuation = False,
    digits: Digits = False,
    model: ModelName = "",
    latency_ms: LatencyMs = None,
    end_silence_s: EndSilenceS = None,
) -> None:
    """Print what is said in recordings, one line an utterance.

    WAV works as it is; FLAC, Ogg, MP3 and others need `pip install 'hearken[audio]'`.
    """
    console = Console(highlight=False)
    is_printed = output_dir is None
    if as_json:
        output_format = OutputFormat.JSON
    can_be_live = console.is_terminal and is_printed and len(files) == 1 and output_format is OutputFormat.TXT
    if live and not can_be_live:
        refuse("--live needs a terminal, one recording, and text that is printed")
    if words and output_format.is_subtitles:
        refuse(f"--words does not go with {output_format.value}, whose times are those of the words")
    if is_printed and len(files) > 1 and output_format.is_subtitles:
        refuse(f"{output_format.value} of several recordings needs --output-dir")
    if pace is not None and pace <= 0:
        refuse("--pace must be more than 0; 1 is the speed of speech")
    try:
        paths = destinations(files, output_dir, output_format.value) if output_dir else {}
    except ValueError as error:
        refuse(str(error))
    options = recognition(
        model=model,
        end_silence_s=end_silence_s,
        hints=hints,
        punctuation=punctuation,
        digits=digits,
        words=words or output_format.is_subtitles,
    )
    options["separate_channels"] = separate_channels
    job = Job(options)
    with explained_errors(), target.client() as client:
        # All are opened before the first is sent: a mistyped name is told at once.
        recordings = [Recording(file, _open(file, pace, sample_rate_hz)) for file in files]
        if is_printed and len(files) == 1 and output_format.is_by_utterance:
            captions = LiveCaptions(console) if can_be_live and live is not False else None
            jsonl = partial(formats.json_lines, files[0])
            with captions or PlainLines(console, jsonl if output_format is OutputFormat.JSONL else None) as lines:
                for result in job.stream(client, recordings[0], latency_ms, interim_results=captions is not None):
                    lines.show(result)
            return
        finish = partial(_finish, output_format, paths, say_which=len(files) > 1)
        with Bars(console, recordings) as bars:
            done = transcribe_all(client, recordings, job, finish, bars, parallel=parallel)
            exit_code = _print_all(done, bars, say_which=len(files) > 1)
    if exit_code != EXIT_OK:
        raise typer.Exit(exit_code)


def _open(file: str, pace: float | None, sample_rate_hz: int | None) -> AudioFile:
    try:
        return AudioFile(sys.stdin.buffer if file == STDIN else file, pace=pace, sample_rate_hz=sample_rate_hz)
    except AudioError as error:
        raise AudioError(f"{file}: {error}") from None


def _finish(
    output_format: OutputFormat,
    paths: dict[str, Path],
    recording: Recording,
    transcript: Transcript,
    *,
    say_which: bool,
) -> str:
    """Writes a transcript, if there is a path for it; gives what is to be printed."""
    path = paths.get(recording.file)
    prefix = f"{recording.file}: " if say_which and path is None else ""
    text = formats.render(recording.file, transcript, output_format, prefix=prefix)
    if path is None:
        return text
    write_whole(path, text)
    return f"{path}\n"


def _print_all(done: Generator[tuple[Recording, Outcome], None, None], bars: Bars, *, say_which: bool) -> int:
    """Prints what has become of each recording; gives the exit code."""
    exit_code = EXIT_OK
    with closing(done):
        for recording, outcome in done:
            if isinstance(outcome, str):
                bars.print(outcome)
                continue
            sentence, code = explain(outcome)
            tell(f"{recording.file}: {sentence}" if say_which and not isinstance(outcome, OSError) else sentence)
            exit_code = code if exit_code == EXIT_OK else min(code, exit_code)
            if isinstance(outcome, ConnectionFailed):
                break  # the others would fare no better
    return exit_code
