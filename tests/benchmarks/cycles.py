"""Does memory grow with the number of callers? Connect, stream, disconnect, thousands of times.

`python tests/benchmarks/cycles.py`. Each cycle has a connection of its own and sends a second of speech as fast as the
server takes it. Prints memory over time; ends with 1 if it has grown by more than the limit after the warm-up.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import soundfile
import typer
from server import ROOT, running_server

from hearken import AsyncClient

_RATE_HZ = 16_000
_SAMPLE = ROOT / "clients" / "samples" / "audio" / "two-sentences.wav"
_OWN_CONNECTION = {"grpc.use_local_subchannel_pool": 1}
_PRINTS = 10


def main(
    cycles: Annotated[int, typer.Option(help="after the warm-up")] = 2000,
    warm_up: Annotated[int, typer.Option(help="cycles before the first measurement")] = 500,
    at_a_time: Annotated[int, typer.Option(help="callers")] = 8,
    seconds: Annotated[float, typer.Option(help="of speech a cycle")] = 1.0,
    most_mb: Annotated[float, typer.Option(help="growth that is allowed")] = 5.0,
) -> None:
    """Measure a server of its own."""
    samples, _ = soundfile.read(_SAMPLE, dtype="int16")
    audio = samples[: round(seconds * _RATE_HZ)].tobytes()
    with running_server() as server:
        asyncio.run(_cycles(server.address, audio, warm_up, at_a_time))
        first_mb = last_mb = server.resident_mb()
        sys.stdout.write(f"after {warm_up} cycles {first_mb:.1f} MB\n")
        for number in range(1, _PRINTS + 1):
            asyncio.run(_cycles(server.address, audio, cycles // _PRINTS, at_a_time))
            last_mb = server.resident_mb()
            done = warm_up + number * (cycles // _PRINTS)
            sys.stdout.write(f"after {done} cycles {last_mb:.1f} MB, {last_mb - first_mb:+.1f}\n")
            sys.stdout.flush()
    raise SystemExit(int(last_mb - first_mb > most_mb))


async def _cycles(address: str, audio: bytes, count: int, at_a_time: int) -> None:
    left = iter(range(count))

    async def caller() -> None:
        for _ in left:
            async with AsyncClient(address, channel_options=_OWN_CONNECTION) as client:
                async for _ in client.stream([audio], sample_rate_hz=_RATE_HZ):
                    pass

    await asyncio.gather(*(caller() for _ in range(at_a_time)))


if __name__ == "__main__":
    typer.run(main)
