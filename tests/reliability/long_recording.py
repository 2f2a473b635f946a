"""Hours in one stream: `python tests/reliability/long_recording.py --hours 3`.

The sample recordings, again and again with pauses, as one file through the SDK, as fast as the server takes it. Neither
the server's memory nor the text may change with the time. Prints a report in Markdown; ends with 1 unless that held.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import wave
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from serving import REAL, ROOT, Serving, serving

from hearken import AsyncClient

_SAMPLES = ROOT / "clients" / "samples" / "audio"
_RATE_HZ = 16_000
_FRAME_SAMPLES = 160
_PAUSE_S = 1.5
_MOST_GROWTH = 0.05
"""Of the server's memory, from a third of the audio to its end."""


@dataclass(frozen=True)
class Heard:
    """memory_mb: of the server, by the seconds of audio that were recognized then. loops: text of each repetition."""

    audio_s: float
    took_s: float
    memory_mb: Sequence[tuple[float, float]]
    loops: Sequence[str]

    def memory_after(self, share: float) -> float:
        """When this share of the audio was recognized."""
        return next(mb for at_s, mb in self.memory_mb if at_s >= share * self.memory_mb[-1][0])

    @property
    def inner_loops(self) -> Sequence[str]:
        """Without the first, when the background is not known yet, and the last, which ends with the file."""
        return self.loops[1:-1]

    @property
    def same_loops(self) -> int:
        """Of those, how many have the first one's text."""
        return sum(text == self.inner_loops[0] for text in self.inner_loops)

    def holds(self) -> bool:
        """Whether nothing has changed with the time."""
        is_small = self.memory_after(1.0) <= (1 + _MOST_GROWTH) * self.memory_after(1 / 3)
        return is_small and self.same_loops == len(self.inner_loops)


def loop_of(recordings: Sequence[Path]) -> bytes:
    """The recordings with faint noise between; a whole number of frames, so that all repetitions are the same."""
    noise = np.random.default_rng(0).normal(0, 3, round(_PAUSE_S * _RATE_HZ)).astype("<i2").tobytes()
    pieces = []
    for path in recordings:
        with wave.open(str(path)) as file:
            pieces += [file.readframes(file.getnframes()), noise]
    loop = b"".join(pieces)
    return loop[: len(loop) // (2 * _FRAME_SAMPLES) * 2 * _FRAME_SAMPLES]


async def listen(server: Serving, loop: bytes, seconds: float) -> Heard:
    """Transcribes at least so much audio in one stream."""
    count = max(3, round(seconds * 2 * _RATE_HZ / len(loop)))
    loop_s = len(loop) / (2 * _RATE_HZ)
    memory_mb: list[tuple[float, float]] = []
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        with wave.open(file.name, "wb") as written:
            written.setnchannels(1)
            written.setsampwidth(2)
            written.setframerate(_RATE_HZ)
            for _ in range(count):
                written.writeframes(loop)
        began_s = time.monotonic()
        async with AsyncClient(server.address) as client:
            transcript = await client.transcribe(
                file.name, progress=lambda at_s: memory_mb.append((at_s, server.memory_mb()))
            )
    texts: dict[int, list[str]] = defaultdict(list)
    for result in transcript.results:
        texts[int((result.start_s + result.end_s) / 2 / loop_s)].append(result.text)
    loops = [" ".join(texts[number]) for number in range(count)]
    return Heard(transcript.audio_s, time.monotonic() - began_s, memory_mb, loops)


def report(heard: Heard) -> str:
    """In Markdown."""
    memory = ", ".join(f"{heard.memory_after(share):.0f}" for share in (0.0, 1 / 3, 2 / 3, 1.0))
    lines = [
        "| | |",
        "|---|---|",
        f"| audio in one stream | {heard.audio_s / 3600:.2f} hours |",
        f"| recognized in | {heard.took_s:.0f} s, {heard.audio_s / heard.took_s:.0f} times as fast as it was spoken |",
        f"| the server's memory at the beginning, after a third, two thirds, at the end | {memory} MB |",
        f"| repetitions with the same text | {heard.same_loops} of {len(heard.inner_loops)} |",
    ]
    return "\n".join([*lines, "", "it held" if heard.holds() else "it did not hold"])


def main(hours: Annotated[float, typer.Option(help="of audio")] = 3.0) -> None:
    """Starts a server of its own and has it listen; exit code 1 unless nothing changed with the time."""

    async def run() -> Heard:
        async with serving(REAL) as server:
            return await listen(server, loop_of(sorted(_SAMPLES.glob("*.wav"))), 3600 * hours)

    heard = asyncio.run(run())
    sys.stdout.write(report(heard) + "\n")
    raise SystemExit(not heard.holds())


if __name__ == "__main__":
    typer.run(main)
