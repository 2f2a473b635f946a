"""How late are results while many callers speak at once? Starts a server of its own and prints a table.

`python tests/benchmarks/streams.py --streams 20`. Load generator and server share this machine's cores.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from rich.console import Console
from rich.table import Table

from hearken import AsyncClient, HearkenError

_ROOT = Path(__file__).parents[2]
_SAMPLES = _ROOT / "clients" / "samples" / "audio"
_RATE_HZ = 16_000
_PACKET_S = 0.1
_START_LIMIT_S = 120.0
_CONNECTIONS = 8  # streams share so many connections


@dataclass
class Measured:
    """Of all streams, in seconds. interim: arrival minus the end of the audio that the text covers."""

    interim: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)


def _recordings(folder: Path | None) -> Iterator[np.ndarray]:
    """Endless: [N] int16 recordings at 16 kHz."""
    files = sorted(path for path in (folder or _SAMPLES).rglob("*") if path.suffix in (".wav", ".flac", ".opus"))
    for path in itertools.cycle(files[:200]):
        audio, rate_hz = soundfile.read(path, dtype="int16")
        if rate_hz == _RATE_HZ and audio.ndim == 1:
            yield audio


async def _caller(client: AsyncClient, audio: np.ndarray, latency_ms: int, delay_s: float, found: Measured) -> None:
    await asyncio.sleep(delay_s)
    started = time.monotonic()
    packet = int(_PACKET_S * _RATE_HZ)

    async def paced() -> AsyncIterator[bytes]:
        for number, at in enumerate(range(0, len(audio), packet), start=1):
            await asyncio.sleep(max(0.0, started + number * _PACKET_S - time.monotonic()))
            yield audio[at : at + packet].tobytes()

    async for result in client.stream(paced(), sample_rate_hz=_RATE_HZ, latency_ms=latency_ms):
        since = time.monotonic() - started
        if not result.is_final:
            found.interim.append(since - result.end_s)
    found.final.append(time.monotonic() - started - len(audio) / _RATE_HZ)


async def _measure(server: str, streams: int, seconds: float, latency_ms: int, folder: Path | None) -> Measured:
    found = Measured()
    recordings = _recordings(folder)
    clients = [AsyncClient(server) for _ in range(min(_CONNECTIONS, streams))]
    until = time.monotonic() + seconds

    async def seat(number: int) -> None:
        """One caller after the other, so that about `streams` speak at any time."""
        delay_s = number * 2.0 / streams
        while time.monotonic() < until:
            await _caller(clients[number % len(clients)], next(recordings), latency_ms, delay_s, found)
            delay_s = 0.0

    await asyncio.gather(*(seat(number) for number in range(streams)))
    for client in clients:
        await client.close()
    return found


@contextmanager
def _server(device: str, port: int, streams: int) -> Iterator[int]:
    """A server in its own process; yields its process id once it serves."""
    environment = {
        **os.environ,
        "HEARKEN_DEVICE": device,
        "HEARKEN_PORT": str(port),
        "HEARKEN_METRICS_PORT": str(port + 1),
        "HEARKEN_MAX_STREAMS": str(streams + 1),
        "HEARKEN_LOG_LEVEL": "warning",
    }
    process = subprocess.Popen([sys.executable, "-m", "service"], cwd=_ROOT, env=environment)
    try:
        asyncio.run(_wait_until_serving(f"127.0.0.1:{port}", process))
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


async def _wait_until_serving(server: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        async with AsyncClient(server) as client:
            try:
                await client.models(timeout_s=2)
            except HearkenError:
                await asyncio.sleep(0.5)
            else:
                return
    raise SystemExit("the server did not start")


def _cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def main(
    streams: Annotated[int, typer.Option(help="callers who speak at the same time")] = 20,
    seconds: Annotated[float, typer.Option(help="how long new recordings are begun")] = 30.0,
    latency_ms: Annotated[int, typer.Option()] = 640,
    device: Annotated[str, typer.Option()] = "cpu",
    port: Annotated[int, typer.Option(help="for the server; the next one for its metrics")] = 50151,
    speech: Annotated[Path | None, typer.Option(help="folder of 16 kHz recordings (default: the samples)")] = None,
) -> None:
    """Stream recordings at speaking pace and print percentiles of the waiting times."""
    with _server(device, port, streams) as process:
        cpu_before, wall_before = _cpu_s(process), time.monotonic()
        found = asyncio.run(_measure(f"127.0.0.1:{port}", streams, seconds, latency_ms, speech))
        load = (_cpu_s(process) - cpu_before) / (time.monotonic() - wall_before)
        peak_mb = _peak_mb(process)
    table = Table(title=f"{streams} real-time streams, {latency_ms} ms, {device}, {os.cpu_count()} cores")
    for heading in ("milliseconds", "count", "p50", "p90", "p99", "max"):
        table.add_column(heading, justify="right")
    for name, values in (
        ("interim: arrival - audio covered", found.interim),
        ("final: after end of audio", found.final),
    ):
        cells = (f"{1000 * value:.0f}" for value in (*np.percentile(values, [50, 90, 99]), max(values)))
        table.add_row(name, str(len(values)), *cells)
    console = Console()
    console.print(table)
    console.print(f"server: {load:.2f} cores busy, {peak_mb:.0f} MB at most")


if __name__ == "__main__":
    typer.run(main)
