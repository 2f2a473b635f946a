"""`make bench`: many streams in real time, the throughput of recordings, tables and pictures of both.

`python tests/benchmarks/bench.py --speech FOLDER --output docs/benchmarks`. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from pictures import draw
from rich.console import Console
from rich.table import Table
from server import ROOT
from streams import Step, sweep
from throughput import throughput

_WIDTH = 150
_TIMES = ("interim", "final", "user_perceived_any_spelling", "user_perceived_of_interim_words")
_SAMPLES = ROOT / "clients" / "samples" / "audio"


def main(
    speech: Annotated[Path, typer.Option(help="folder of 16 kHz recordings that the callers say")] = _SAMPLES,
    streams: Annotated[str, typer.Option(help="numbers of callers")] = "4 16 32 64",
    seconds: Annotated[float, typer.Option(help="how long each number calls")] = 30.0,
    latencies: Annotated[str, typer.Option(help="latencies of interim results, in ms")] = "640",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N")] = "cpu",
    model: Annotated[str, typer.Option(help="name or path of the model package")] = "english",
    output: Annotated[Path | None, typer.Option(help="folder for results.json and the pictures")] = None,
) -> None:
    """Measure a server of its own on this machine."""
    console = Console(width=_WIDTH)
    counts = [int(count) for count in streams.split()]
    found: dict[int, list[Step]] = {}
    for latency_ms in map(int, latencies.split()):
        found[latency_ms] = sweep(
            counts, seconds=seconds, latency_ms=latency_ms, speech=speech, device=device, model=model
        )
        console.print(_table(latency_ms, found[latency_ms]))
    files = sorted(path for path in speech.rglob("*") if path.suffix in (".wav", ".flac"))
    files_through = throughput(files, device=device, model=model)
    console.print(
        f"recordings: {files_through.service:.0f} s of audio a second through the service, {files_through.bare:.0f}"
        f" through the bare model and decoder, ratio {files_through.ratio:.2f}"
    )
    if output is None:
        return
    output.mkdir(parents=True, exist_ok=True)
    results = {
        "date": date.today().isoformat(),
        "machine": {"cpu": _cpu_name(), "cores": os.cpu_count(), "device": device},
        "streams": {str(ms): [asdict(step) for step in steps] for ms, steps in found.items()},
        "throughput": {**asdict(files_through), "ratio": files_through.ratio},
    }
    (output / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    draw(found, output)


def _table(latency_ms: int, steps: list[Step]) -> Table:
    table = Table(title=f"streams in real time at {latency_ms} ms, in ms: p50 / p99 (max)")
    for heading in (
        "streams",
        "interim",
        "final",
        "user-perceived",
        "of interim words",
        "loop stall",
        "refused",
        "behind",
        "cores",
        "MB",
    ):
        table.add_column(heading, justify="right")
    for step in steps:
        figures, times = step.figures, step.figures["milliseconds"]
        cells = [_times(times[name]) for name in _TIMES]
        table.add_row(
            str(figures["streams"]),
            *cells,
            f"{step.stall_p99_ms:.0f}",
            str(figures["refused"]),
            str(figures["behind"]),
            f"{step.cores:.2f}",
            f"{step.memory_mb:.0f}",
        )
    return table


def _times(row: dict[str, float]) -> str:
    return f"{row['p50']:.0f} / {row['p99']:.0f} ({row['max']:.0f})" if row["count"] else "-"


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


if __name__ == "__main__":
    typer.run(main)
