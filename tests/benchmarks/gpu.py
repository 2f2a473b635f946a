"""What limits the streams of a machine with a GPU: the model, the front end, or the searches on the processor's cores?

`python tests/benchmarks/gpu.py --device cuda`. Each part alone, on one thread; what they do to each other is
`bench.py`'s. Half a minute.
"""

from __future__ import annotations

import os
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from server import ROOT

from models.channel import ChunkJob
from models.features import SAMPLE_RATE_HZ, LogMel
from models.package import find_package, open_package
from models.recognizer import Recognizer, load_model
from models.types import AudioFormat, Encoding, RecognitionOptions

_SAMPLES = ROOT / "clients" / "samples" / "audio"
_PCM = AudioFormat(Encoding.LINEAR16, SAMPLE_RATE_HZ, 1)
_PACKET_BYTES = 3200  # 100 ms
_LONG_S = 10
_FEWEST_RUNS, _BUDGET_S = 3, 0.25  # of one figure
_TYPES = (torch.float16, torch.bfloat16, torch.float32)


@dataclass(frozen=True)
class Cost:
    """Of one call: wall_ms, and cpu_ms of the calling thread. Medians."""

    wall_ms: float
    cpu_ms: float


def main(
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N")] = "cpu",
    model: Annotated[str, typer.Option(help="name or path of the model package")] = "english",
    batches: Annotated[str, typer.Option(help="numbers of streams in a call of the model")] = "1 16 64 256 1024 4096",
    speech: Annotated[Path, typer.Option(help="folder of WAV recordings, 16 kHz, mono, 16 bits")] = _SAMPLES,
    latency_ms: Annotated[int, typer.Option(help="latency of interim results")] = 640,
) -> None:
    """Measure the parts and tell how many streams each leaves room for."""
    torch.set_num_threads(1)
    console = Console(width=130)
    recognizer = Recognizer.load(find_package(model), device)
    recordings = [_samples(path) for path in sorted(speech.rglob("*.wav"))]
    shape = open_package(find_package(model)).config.latencies[latency_ms]
    chunk_s = shape.chunk_steps * 0.08
    with torch.inference_mode():
        console.print(_model_table(recognizer, recordings[0], latency_ms, [*map(int, batches.split())], chunk_s))
        whole = _cost(lambda: recognizer._whole_pass(torch.zeros(_LONG_S * 100, 80)), recognizer)
    console.print(f"whole-utterance pass of {_LONG_S} s: {whole.wall_ms:.2f} ms, {whole.cpu_ms:.2f} ms of CPU")
    _tell_cores(console, recognizer, recordings, latency_ms)


def _model_table(
    recognizer: Recognizer, recording: bytes, latency_ms: int, batches: list[int], chunk_s: float
) -> Table:
    """Calls of the model by batch and type of numbers, inputs on the device; and a pass of the engine around it."""
    table = Table(title=f"chunks of {latency_ms} ms on {_name(recognizer)}: ms a call (streams in real time)")
    table.add_column("streams")
    kinds = _TYPES if recognizer.device.startswith("cuda") else (recognizer._type,)
    for heading in [*map(str, kinds), "pass with transfers and states", "CPU of it"]:
        table.add_column(heading, justify="right")
    stream = recognizer.open_stream(_PCM, RecognitionOptions(latency_ms=latency_ms))
    stream.accept(recording[: 4 * SAMPLE_RATE_HZ])
    job = stream.job()
    assert isinstance(job, ChunkJob)
    where = torch.device(recognizer.device)
    models = [load_model(recognizer._package, where).to(kind) for kind in kinds]
    for batch in batches:
        cells = []
        for own, kind in zip(models, kinds, strict=True):
            windows = torch.stack([job.window] * batch).to(where, kind)
            state = own.initial_state(batch)
            cost = _cost(lambda: own.forward_chunk(windows, state, job.shape), recognizer)  # noqa: B023
            cells.append(_cell(cost.wall_ms, batch, chunk_s))
        jobs = [(number, job) for number in range(batch)]
        cost = _cost(lambda: recognizer._chunk_pass(jobs), recognizer)  # noqa: B023
        table.add_row(str(batch), *cells, _cell(cost.wall_ms, batch, chunk_s), f"{cost.cpu_ms:.2f}")
    return table


def _tell_cores(console: Console, recognizer: Recognizer, recordings: list[bytes], latency_ms: int) -> None:
    """What a stream costs the cores, in ms of CPU a second of its audio."""
    seconds = sum(map(len, recordings)) / 2 / SAMPLE_RATE_HZ
    log_mel = LogMel(recognizer._package.config.features)
    parts = dict.fromkeys(("packets", "chunk jobs", "chunk passes", "interim", "whole passes", "final"), 0.0)
    for audio in recordings:
        stream = recognizer.open_stream(_PCM, RecognitionOptions(latency_ms=latency_ms))
        for start, stop in pairwise([*range(0, len(audio), _PACKET_BYTES), len(audio)]):
            with _timed(parts, "packets"):
                stream.accept(audio[start:stop])
                if stop == len(audio):
                    stream.finish()
            while stream.is_ready or stream.is_decoding:
                if stream.is_decoding:
                    with _timed(parts, "final"):
                        recognizer.decode(stream)
                    continue
                with _timed(parts, "chunk jobs"):
                    job = stream.job()
                if isinstance(job, ChunkJob):
                    with torch.inference_mode():
                        with _timed(parts, "chunk passes"):
                            done = recognizer._chunk_pass([(0, job)])[0]
                        with _timed(parts, "interim"):
                            stream.absorb_chunk(*done)
                else:
                    with _timed(parts, "whole passes"):
                        log_probs = recognizer._whole_pass(job.frames)
                    stream.absorb_final_pass(log_probs)
    packet = torch.zeros(240 + _PACKET_BYTES // 2)
    with torch.inference_mode():
        features = _cost(lambda: log_mel(packet), recognizer)
    cores = len(os.sched_getaffinity(0))
    table = Table(title=f"CPU of one stream alone, {seconds:.0f} s of audio; {cores} cores")
    table.add_column("part")
    table.add_column("ms a second of audio", justify="right")
    table.add_column(f"{cores} cores with nothing else: streams", justify="right")
    for name, cpu_s in parts.items():
        cost_ms = 1000 * cpu_s / seconds
        table.add_row(name, f"{cost_ms:.2f}", f"{cores * 1000 / cost_ms:.0f}" if cost_ms else "-")
    table.add_row("of packets, log-mel", f"{10 * features.cpu_ms:.2f}", f"{cores * 100 / features.cpu_ms:.0f}")
    console.print(table)


@contextmanager
def _timed(parts: dict[str, float], name: str) -> Iterator[None]:
    """Adds CPU time of this thread to a part."""
    began_s = time.thread_time()
    yield
    parts[name] += time.thread_time() - began_s


def _cost(call: Callable[[], object], recognizer: Recognizer) -> Cost:
    call()
    _wait(recognizer)
    walls, cpus, began_s = [], [], time.perf_counter()
    while len(walls) < _FEWEST_RUNS or time.perf_counter() - began_s < _BUDGET_S:
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        call()
        cpus.append(time.thread_time() - cpu_s)
        _wait(recognizer)
        walls.append(time.perf_counter() - wall_s)
    return Cost(1000 * median(walls), 1000 * median(cpus))


def _wait(recognizer: Recognizer) -> None:
    if recognizer.device.startswith("cuda"):
        torch.cuda.synchronize(recognizer.device)


def _cell(wall_ms: float, batch: int, chunk_s: float) -> str:
    return f"{wall_ms:.2f} ({batch * chunk_s * 1000 / wall_ms:.0f})"


def _name(recognizer: Recognizer) -> str:
    return torch.cuda.get_device_name(recognizer.device) if recognizer.device.startswith("cuda") else "the CPU"


def _samples(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        return file.readframes(file.getnframes())


if __name__ == "__main__":
    typer.run(main)
