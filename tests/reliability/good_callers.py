"""Well-behaved callers, who speak at the pace of speech and know what they should be told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from attacks import OWN_CONNECTION

from hearken import AsyncClient, HearkenError

RATE_HZ = 16_000
_BYTES_PER_S = 2 * RATE_HZ
_PACKET_S = 0.1


@dataclass
class Heard:
    """right, wrong: streams by their transcript. failed: what those said that ended with an error.

    lags: of every result, (when it came on the clock, how long after the audio that it covers was sent), in seconds.
    """

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    lags: list[tuple[float, float]] = field(default_factory=list)

    @property
    def streams(self) -> int:
        """All that have ended."""
        return self.right + len(self.wrong) + len(self.failed)

    def count(self, since_s: float, until_s: float) -> int:
        """Results that came in this time."""
        return sum(since_s <= at < until_s for at, _ in self.lags)

    def quantile(self, share: float, since_s: float = 0.0, until_s: float = float("inf")) -> float:
        """Of the lags that came in this time; 0 without any."""
        values = sorted(lag for at, lag in self.lags if since_s <= at < until_s)
        return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


async def transcript(client: AsyncClient, audio: bytes) -> str:
    """What an undisturbed server makes of a recording."""
    return (await client.transcribe([audio], sample_rate_hz=RATE_HZ)).text


async def speak(client: AsyncClient, audio: bytes, wanted: str, heard: Heard, *, pace: float = 1.0) -> None:
    """One stream. pace: seconds of audio a second."""
    sent_s: list[tuple[float, float]] = []
    began_s = time.monotonic()

    async def paced() -> AsyncIterator[bytes]:
        packet = int(_PACKET_S * _BYTES_PER_S)
        for at in range(0, len(audio), packet):
            end_s = (at + packet) / _BYTES_PER_S
            await asyncio.sleep(max(0.0, began_s + end_s / pace - time.monotonic()))
            sent_s.append((end_s, time.monotonic()))
            yield audio[at : at + packet]

    finals: list[str] = []
    try:
        async for result in client.stream(paced(), sample_rate_hz=RATE_HZ):
            now_s = time.monotonic()
            covered = next((at for end_s, at in sent_s if end_s >= result.end_s), sent_s[-1][1])
            heard.lags.append((now_s, now_s - covered))
            if result.is_final:
                finals.append(result.text)
    except HearkenError as error:
        heard.failed.append(f"{error.status}: {error}")
        return
    if (text := " ".join(finals)) == wanted:
        heard.right += 1
    else:
        heard.wrong.append(f"{text!r} instead of {wanted!r}")


async def keep_speaking(
    address: str,
    recordings: Sequence[tuple[bytes, str]],
    heard: Heard,
    *,
    streams: int,
    done: asyncio.Event,
    pace: float = 1.0,
    **connection: Any,
) -> None:
    """So many streams at a time, one after the other, until `done`, at least one each; those that run are finished."""

    async def seat(number: int) -> None:
        turn = number
        async with AsyncClient(address, reconnect=None, channel_options=OWN_CONNECTION, **connection) as client:
            await asyncio.sleep(number / streams)
            while turn == number or not done.is_set():
                audio, wanted = recordings[turn % len(recordings)]
                await speak(client, audio, wanted, heard, pace=pace)
                turn += 1

    await asyncio.gather(*map(seat, range(streams)))
