"""Does it stay what it was? Mixed load for a long time: streams, files, clients who vanish, clients who do harm.

`python tests/reliability/soak.py --minutes 30`. Prints a report in Markdown and ends with 1 unless everything held.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import attacks
import soundfile
import typer
from good_callers import RATE_HZ, Heard, keep_speaking, speak, transcript
from serving import REAL, ROOT, Serving, serving

from hearken import AsyncClient, HearkenError
from service.settings import Settings

_SAMPLES = ROOT / "clients" / "samples" / "audio"
_SAMPLE_EVERY_S = 2.0
_HARM_SHARE = 0.1
"""Of all callers."""
_ENOUGH_LAGS = 10_000
"""In a fifth of the time, for a p99 that says something; a short soak has fewer."""
_WORSE = 1.2
"""Times the p99 of before: more is no noise."""
_CALLER_COST = 0.005
"""CPU seconds a second of a stream that a caller takes of the same machine (docs/benchmarks.md, the Python library)."""


@dataclass
class Watched:
    """Over time: the clock in seconds, resident memory in MB, sockets and files."""

    at_s: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    files: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Soaked:
    """What a soak has shown. began_s, ended_s: of the load, on the clock of the lags."""

    heard: Heard
    watched: Watched
    files_right: int
    files_wrong: list[str]
    harm: int
    began_s: float
    ended_s: float

    def part(self, number: int, of: int) -> tuple[float, float]:
        """Beginning and end of a part of the time."""
        length_s = (self.ended_s - self.began_s) / of
        return self.began_s + number * length_s, self.began_s + (number + 1) * length_s

    def problems(self) -> list[str]:
        """What must not be; empty: it holds."""
        lost = [*self.heard.wrong, *self.heard.failed, *self.files_wrong]
        found = [f"{len(lost)} transcripts of good callers are wrong or lost: {lost[0]}"] if lost else []
        for name, values in (("memory", self.watched.memory_mb), ("open files", self.watched.files)):
            growth, noise = _growth(values)
            if growth > max(noise, 0.02 * statistics.mean(values)):
                found.append(f"{name} grew by {growth:.1f} from the third fifth to the last, the noise is {noise:.1f}")
        middle, end = self.part(2, of=5), self.part(4, of=5)
        if min(self.heard.count(*middle), self.heard.count(*end)) >= _ENOUGH_LAGS:
            middle_ms, end_ms = (1000 * self.heard.quantile(0.99, *part) for part in (middle, end))
            if end_ms > _WORSE * middle_ms:
                found.append(f"p99 of the lag is {end_ms:.0f} ms in the last fifth, {middle_ms:.0f} in the third")
        return found


def _growth(values: Sequence[float]) -> tuple[float, float]:
    """From the third fifth to the last, and two standard deviations of a value: what grows is not seen in one step."""
    fifth = max(1, len(values) // 5)
    middle, last = values[2 * fifth : 3 * fifth], values[-fifth:]
    if not middle:
        return 0.0, 0.0
    return statistics.mean(last) - statistics.mean(middle), 2 * statistics.pstdev(values[2 * fifth :])


def _fifths(values: Sequence[float]) -> list[float]:
    """The mean of each fifth; nothing if there are fewer values than that."""
    fifth = len(values) // 5
    return [statistics.mean(values[n * fifth : (n + 1) * fifth]) for n in range(5)] if fifth else []


async def soak(
    server: Serving, recordings: Sequence[tuple[bytes, str]], *, streams: int, seconds: float, pace: float = 1.0
) -> Soaked:
    """The load on a server that is there. recordings: with what an undisturbed server makes of them."""
    heard, watched, done = Heard(), Watched(), asyncio.Event()
    files_wrong: list[str] = []
    right = harm = 0

    async def files() -> None:
        nonlocal right
        async with AsyncClient(server.address, reconnect=None) as client:
            for audio, wanted in itertools.cycle(recordings):
                if done.is_set():
                    return
                try:
                    text = await transcript(client, audio)
                except HearkenError as error:
                    files_wrong.append(str(error))
                else:
                    right += text == wanted
                    if text != wanted:
                        files_wrong.append(f"{text!r} instead of {wanted!r}")
                await _pause(done, len(audio) / (2 * RATE_HZ) / pace)

    async def vanishing() -> None:
        """Speaks, and is gone in the middle: its connection closes without a word."""
        audio, wanted = recordings[0]
        while not done.is_set():
            async with AsyncClient(server.address, reconnect=None) as client:
                gone = asyncio.create_task(speak(client, audio, wanted, Heard(), pace=pace))
                await _pause(done, len(audio) / (2 * RATE_HZ) / pace / 2)
                gone.cancel()
                await asyncio.wait([gone])

    async def harmful() -> None:
        nonlocal harm
        for attack in itertools.cycle(_HARM):
            if done.is_set():
                return
            harm += (await attack(server.port)).begun
            await _pause(done, 1.0)

    async def watching() -> None:
        while not done.is_set():
            watched.at_s.append(time.monotonic())
            watched.memory_mb.append(server.memory_mb())
            watched.files.append(float(server.open_files()))
            await _pause(done, _SAMPLE_EVERY_S)

    async def ending() -> None:
        await asyncio.sleep(seconds)
        done.set()

    began_s = time.monotonic()
    speaking = keep_speaking(server.address, recordings, heard, streams=streams, done=done, pace=pace)
    harmful_callers = max(1, round(_HARM_SHARE * streams))
    await asyncio.gather(
        speaking, files(), vanishing(), *(harmful() for _ in range(harmful_callers)), watching(), ending()
    )
    return Soaked(heard, watched, right, files_wrong, harm, began_s, time.monotonic())


_HARM: tuple[Callable[[int], Awaitable[attacks.Seen]], ...] = (
    lambda port: attacks.random_bytes(port, 5),
    lambda port: attacks.corrupt_tls(port, 5),
    lambda port: attacks.connect_flood(port, 50),
    lambda port: attacks.rapid_reset(port, 100),
    lambda port: attacks.ping_flood(port, 200),
)


async def _pause(done: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(done.wait(), seconds)
    except TimeoutError:
        return


def report(soaked: Soaked, streams: int, tags: str) -> str:
    """In Markdown."""
    heard, watched = soaked.heard, soaked.watched
    lines = [
        f"{streams} streams at speaking pace for {(soaked.ended_s - soaked.began_s) / 60:.1f} minutes, {tags}",
        "",
        "| | |",
        "|---|---|",
        f"| good streams: right / wrong / failed | {heard.right} / {len(heard.wrong)} / {len(heard.failed)} |",
        f"| whole files: right / wrong or failed | {soaked.files_right} / {len(soaked.files_wrong)} |",
        f"| connections, frames and calls of harmful clients | {soaked.harm} |",
    ]
    for name, number in (("first", 0), ("third", 2), ("last", 4)):
        p50, p99 = (heard.quantile(share, *soaked.part(number, of=5)) for share in (0.5, 0.99))
        lines.append(f"| lag of results, {name} fifth: p50 / p99 | {1000 * p50:.0f} / {1000 * p99:.0f} ms |")
    for name, values, unit in (("memory", watched.memory_mb, " MB"), ("open files", watched.files, "")):
        growth, noise = _growth(values)
        lines.append(f"| {name}: at the beginning, at the end | {values[0]:.0f}, {values[-1]:.0f}{unit} |")
        lines.append(f"| {name}: mean of each fifth | {', '.join(f'{mean:.0f}' for mean in _fifths(values))}{unit} |")
        lines.append(f"| {name}: growth from the third fifth to the last, noise | {growth:+.1f}, ± {noise:.1f}{unit} |")
    problems = soaked.problems()
    return "\n".join([*lines, "", *(f"- {problem}" for problem in problems or ["everything held"])])


async def recordings_of(server: Serving, folder: Path, **connection: str) -> list[tuple[bytes, str]]:
    """16 kHz recordings, with what the server makes of them as long as nobody disturbs it."""
    found = []
    async with AsyncClient(server.address, **connection) as client:
        for path in sorted(path for path in folder.rglob("*") if path.suffix in (".wav", ".flac"))[:50]:
            samples, rate_hz = soundfile.read(path, dtype="int16")
            if rate_hz == RATE_HZ and samples.ndim == 1:
                found.append((samples.tobytes(), await transcript(client, samples.tobytes())))
    return found


def main(
    minutes: Annotated[float, typer.Option(help="how long")] = 30.0,
    streams: Annotated[int, typer.Option(help="good callers at a time; 0: 70 % of what the server measures")] = 0,
    speech: Annotated[Path, typer.Option(help="folder of 16 kHz recordings")] = _SAMPLES,
) -> None:
    """Starts a server of its own, loads it, prints a report; exit code 1 unless everything held."""

    async def run() -> int:
        # Whether a stream more is late is not the question here: no good caller is to be refused.
        async with serving(REAL, cpu_share=100, max_wait_share=100) as server:
            recordings = await recordings_of(server, speech)
            chosen = streams or await _seventy_percent(server)
            soaked = await soak(server, recordings, streams=chosen, seconds=60 * minutes)
        sys.stdout.write(report(soaked, chosen, f"{os.cpu_count()} cores") + "\n")
        return 1 if soaked.problems() else 0

    raise SystemExit(asyncio.run(run()))


async def _seventy_percent(server: Serving) -> int:
    cost = await server.metric("hearken_audio_cost_ratio") + _CALLER_COST
    return max(1, int(0.7 * Settings().cpu_share * (os.cpu_count() or 1) / cost))


if __name__ == "__main__":
    typer.run(main)
