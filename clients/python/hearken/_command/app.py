"""The commands `transcribe`, `listen` and `models`. How results look is in `captions.py` and `formats.py`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from hearken._audio import AudioFile
from hearken._client import Client
from hearken._command import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, formats
from hearken._command.captions import LiveCaptions, PlainLines
from hearken._connection import DEFAULT_SERVER
from hearken._errors import AudioError, HearkenError, MissingExtra
from hearken._microphone import Microphone

STDIN = "-"

app = typer.Typer(
    help="Speech to text by a Hearken server.",
    epilog="Exit codes: 0 done; 1 the server or the recognition failed; 2 wrong use, missing file, unreadable audio.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Server = Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the server is.")]
ModelName = Annotated[str, typer.Option(metavar="NAME", help="A name from `hearken models`. Default: the server's.")]
LatencyMs = Annotated[
    int | None, typer.Option(help="How soon live captions come: 160, 320, 640 or 1280. Default: the model's.")
]
EndSilenceS = Annotated[
    float | None, typer.Option(help="Silence that ends an utterance, in seconds. Default: the server's.")
]
Words = Annotated[bool, typer.Option("--words", help="Also print when each word was said.")]


@app.command()
def transcribe(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Recordings; - is the standard input.")],
    live: Annotated[
        bool | None, typer.Option("--live/--no-live", help="Captions while it is recognized. Default: on a terminal.")
    ] = None,
    pace: Annotated[
        float | None, typer.Option(metavar="SPEED", help="Send at this speed; 1 is that of speech. Default: at once.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object a file, each on one line.")] = False,
    words: Words = False,
    server: Server = DEFAULT_SERVER,
    model: ModelName = "",
    latency_ms: LatencyMs = None,
    end_silence_s: EndSilenceS = None,
    sample_rate_hz: Annotated[
        int | None, typer.Option(help="Of raw 16-bit audio, which has no header: samples a second.")
    ] = None,
) -> None:
    """Print what is said in recordings, one line an utterance.

    WAV works as it is; FLAC, Ogg, MP3 and others need `pip install 'hearken[audio]'`.
    """
    console = Console(highlight=False)
    if live and (json or not console.is_terminal):
        _exit("--live needs a terminal, and does not go with --json", EXIT_USAGE)
    if pace is not None and pace <= 0:
        _exit("--pace must be more than 0; 1 is the speed of speech", EXIT_USAGE)
    with _explained_errors(), Client(server) as client:
        # All are opened before the first is sent: a mistyped name is told at once.
        recordings = [_open(file, pace, sample_rate_hz) for file in files]
        for file, recording in zip(files, recordings, strict=True):
            if json:
                transcript = client.transcribe(recording, model=model, end_silence_s=end_silence_s, word_info=words)
                print(formats.to_json(file, transcript, words=words), flush=True)
                continue
            prefix = f"{file}: " if len(files) > 1 else ""
            captions = LiveCaptions(console, prefix) if console.is_terminal and live is not False else None
            with captions or PlainLines(console, prefix) as lines:
                for result in client.stream(
                    recording,
                    model=model,
                    latency_ms=latency_ms,
                    end_silence_s=end_silence_s,
                    word_info=words,
                    interim_results=captions is not None,
                ):
                    lines.show(result)


@app.command()
def listen(
    device: Annotated[
        str | None, typer.Option(metavar="NAME", help="Input device, by name or number. Default: the system's.")
    ] = None,
    words: Words = False,
    server: Server = DEFAULT_SERVER,
    model: ModelName = "",
    latency_ms: LatencyMs = None,
    end_silence_s: EndSilenceS = None,
    sample_rate_hz: Annotated[int, typer.Option(help="At which to record, if the device cannot do 16000.")] = 16_000,
) -> None:
    """Print what is said into the microphone, until Ctrl-C.

    Needs `pip install 'hearken[mic]'`.
    """
    console = Console(highlight=False)
    with (
        _explained_errors(),
        Microphone(device=_device(device), sample_rate_hz=sample_rate_hz) as microphone,
        Client(server) as client,
        _stopped_by_ctrl_c(microphone),
        LiveCaptions(console) if console.is_terminal else PlainLines(console) as lines,
    ):
        for result in client.stream(
            microphone, model=model, latency_ms=latency_ms, end_silence_s=end_silence_s, word_info=words
        ):
            lines.show(result)


@app.command()
def models(server: Server = DEFAULT_SERVER) -> None:
    """List the models that the server offers, its default first."""
    with _explained_errors(), Client(server) as client:
        offered = client.models()
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(formats.models_table(offered))
    else:
        for model in offered:
            print(formats.model_line(model))


def _open(file: str, pace: float | None, sample_rate_hz: int | None) -> AudioFile:
    try:
        return AudioFile(sys.stdin.buffer if file == STDIN else file, pace=pace, sample_rate_hz=sample_rate_hz)
    except AudioError as error:
        raise AudioError(f"{file}: {error}") from None


def _device(name: str | None) -> str | int | None:
    return int(name) if name and name.isdecimal() else name


@contextmanager
def _explained_errors() -> Iterator[None]:
    """Turns what can go wrong into one sentence and an exit code."""
    try:
        yield
    except (AudioError, MissingExtra) as error:
        _exit(str(error), EXIT_USAGE)
    except HearkenError as error:
        _exit(str(error), EXIT_FAILED)
    except BrokenPipeError:
        raise
    except OSError as error:
        _exit(f"{error.filename}: {error.strerror}", EXIT_USAGE)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None


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


def _exit(sentence: str, code: int) -> NoReturn:
    print(f"hearken: {sentence}", file=sys.stderr)
    raise typer.Exit(code)
