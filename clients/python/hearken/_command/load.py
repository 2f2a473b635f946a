"""The command `load`: how many callers does a server bear, and how long do they wait?

Who calls is left to `load_calls.py`, what the waiting times are to `load_figures.py`.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from hearken._command import EXIT_FAILED
from hearken._command.failures import explained_errors, refuse
from hearken._command.files import write_whole
from hearken._command.load_calls import Load, run, speech_of
from hearken._command.load_figures import figures_of
from hearken._command.options import LatencyMs, ModelName, Target

_ENDINGS = (".wav", ".flac", ".ogg", ".opus", ".mp3")
_MOST_RECORDINGS = 200

_TITLES = {
    "interim": "interim text after its audio",
    "final": "final text after its utterance",
    "user_perceived": "word after its end",
    "user_perceived_any_spelling": "word in any spelling",
    "user_perceived_of_interim_words": "that interim text has",
    "lag": "lag of the server",
    "refusal": "refusal after the call",
    "packets_late": "packets late",
}


def load(
    recordings: Annotated[
        list[Path], typer.Argument(metavar="RECORDING...", help="What the callers say: files, or folders of them.")
    ],
    target: Target,
    streams: Annotated[int, typer.Option(metavar="N", min=1, help="Callers who speak at the same time.")] = 20,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long new calls are begun.")] = 30.0,
    processes: Annotated[
        int, typer.Option(metavar="N", min=1, help="To call from; one for each 200 or so streams.")
    ] = 1,
    connections: Annotated[int, typer.Option(metavar="N", min=1, help="Of each process; its streams share them.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the JSON to a file.")] = None,
    model: ModelName = "",
    latency_ms: LatencyMs = None,
) -> None:
    """Speak to a server with many callers at once, at the speed of speech, and tell how long they wait.

    Each caller says one recording after the other. Percentiles are of all callers together. Point it only at a server
    that is yours: it uses all that it is given. Exits with 1 if a call failed; being refused by a full server is a
    figure and not a failure.
    """
    with explained_errors():
        files = _files(recordings)
        with target.client() as client:
            client.models()  # a server that is not there is told before anybody waits
        job = Load(
            target.server,
            {**target.connection, "reconnect": None},  # what a server breaks off is to be seen
            [speech_of(str(file)) for file in files],
            streams,
            seconds,
            latency_ms,
            model,
            connections,
        )
        console = Console(stderr=True)
        waiting = console.status(f"{streams} callers speak for {seconds:g} s") if console.is_terminal else nullcontext()
        began_s, began_cpu_s = time.monotonic(), _cpu_s()
        with waiting:
            calls = run(job, processes)
        cores = (_cpu_s() - began_cpu_s) / (time.monotonic() - began_s)
        figures = {
            "server": target.server,
            "streams": streams,
            "seconds": seconds,
            "latency_ms": latency_ms,
            **figures_of(calls),
            "generator_cores": round(cores, 2),
        }
        text = json.dumps(figures, ensure_ascii=False, indent=2) + "\n"
        if output is not None:
            write_whole(output, text)
    if as_json:
        print(text, end="")
    else:
        _show(figures, Console(highlight=False))
    if figures["failed"]:
        raise typer.Exit(EXIT_FAILED)


def _files(recordings: list[Path]) -> list[Path]:
    """The recordings, and those in the folders, in a stable order; not more than are worth their memory."""
    found: list[Path] = []
    for path in recordings:
        inside = sorted(file for file in path.rglob("*") if file.suffix in _ENDINGS) if path.is_dir() else [path]
        found += inside
    if not found:
        refuse(f"there are no recordings ({', '.join(_ENDINGS)}) in {', '.join(map(str, recordings))}")
    return found[:_MOST_RECORDINGS]


def _show(figures: dict[str, Any], console: Console) -> None:
    latency = "default latency" if figures["latency_ms"] is None else f"{figures['latency_ms']} ms"
    models = ", ".join(figures["models"]) or "nobody was heard"
    table = Table(title=f"{figures['streams']} streams, {latency}, {models}", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("milliseconds")
    for name in ("count", "p50", "p90", "p99", "max"):
        table.add_column(name, justify="right")
    for name, title in _TITLES.items():
        row = figures["milliseconds"][name]
        if row["count"]:
            table.add_row(title, str(row["count"]), *(f"{row[key]:.0f}" for key in ("p50", "p90", "p99", "max")))
    console.print(table)
    console.print(
        f"{figures['calls']} calls: {figures['refused']} refused, {sum(figures['failed'].values())} failed,"
        f" {figures['behind']} behind; {figures['words']} words in {figures['audio_s']:g} s of audio;"
        f" this program used {figures['generator_cores']:.2f} cores"
    )
    for failure, count in figures["failed"].items():
        console.print(f"{count} x {failure}", markup=False)


def _cpu_s() -> float:
    """Processor time of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
