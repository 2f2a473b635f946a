"""Callers who speak at the same time, each at the speed of speech, and what they hear when.

What the waiting times are is left to `load_figures.py`, how they are shown to `load.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from hearken._aio import AsyncClient
from hearken._audio import AudioFile, AudioFormat
from hearken._connection import ConnectionOptions
from hearken._errors import HearkenError, ServerBusy
from hearken._results import Result

PACKET_S = 0.1
"""How much a caller says before it is sent; a microphone's usual packet."""

_OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)
"""Otherwise all channels of a process to one server share a connection, and of a server's workers one has all calls."""

RAMP_S = 2.0
"""The callers begin one after the other within this time: nobody's packets come all at once in a real service."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What one caller says: raw audio."""

    audio: bytes
    format: AudioFormat

    @property
    def bytes_per_s(self) -> int:
        """Bytes of a second of all channels."""
        return self.format.frame_bytes * (self.format.sample_rate_hz or 0)


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be said to which server. seconds: how long new calls are begun."""

    server: str
    connection: ConnectionOptions
    recordings: Sequence[Speech]
    streams: int
    seconds: float
    latency_ms: int | None
    model: str
    connections: int


@dataclass(slots=True)
class Call:
    """What one caller has met. Times are seconds from when the first sample was spoken.

    arrivals: each result and when it came. late_s: the worst delay of a packet behind its time, by this program or by
    the server's flow control. refused_s: when the server said that it is full. failure: why the call ended early.
    """

    audio_s: float
    arrivals: list[tuple[float, Result]] = field(default_factory=list)
    late_s: float = 0.0
    refused_s: float | None = None
    failure: str | None = None


def run(load: Load, processes: int) -> list[Call]:
    """All calls, made from so many processes. Raises what a process raises."""
    if processes == 1:
        return _in_this_process(load, range(load.streams))
    shares = [range(first, load.streams, processes) for first in range(min(processes, load.streams))]
    with ProcessPoolExecutor(len(shares), mp_context=get_context("spawn")) as pool:
        return [call for calls in pool.map(_in_this_process, [load] * len(shares), shares) for call in calls]


def speech_of(file: str) -> Speech:
    """A recording as raw audio. Raises what AudioFile raises."""
    recording = AudioFile(file)
    return Speech(b"".join(recording), recording.format)


def _in_this_process(load: Load, seats: range) -> list[Call]:
    return asyncio.run(_seats(load, seats))


async def _seats(load: Load, seats: range) -> list[Call]:
    """One call after the other in each seat, so that about as many as there are seats speak at any time."""
    calls: list[Call] = []
    until_s = time.monotonic() + load.seconds
    options = [*load.connection.get("channel_options", ()), _OWN_CONNECTION]
    connection: ConnectionOptions = {**load.connection, "channel_options": options}
    clients = [AsyncClient(load.server, **connection) for _ in range(min(load.connections, len(seats)))]

    async def seat(number: int) -> None:
        await asyncio.sleep(min(RAMP_S, load.seconds) * number / load.streams)
        turn = number
        while time.monotonic() < until_s:
            speech = load.recordings[turn % len(load.recordings)]
            call = await _call(clients[number % len(clients)], speech, load)
            calls.append(call)
            turn += load.streams
            if call.refused_s is not None or call.failure is not None:
                await asyncio.sleep(1.0)  # who was turned away does not call again at once

    await asyncio.gather(*map(seat, seats))
    for client in clients:
        await client.close()
    return calls


async def _call(client: AsyncClient, speech: Speech, load: Load) -> Call:
    call = Call(len(speech.audio) / speech.bytes_per_s)
    began_s = time.monotonic()
    results = client.stream(
        _paced(speech, began_s, call),
        sample_rate_hz=speech.format.sample_rate_hz,
        channels=speech.format.channels,
        encoding=speech.format.encoding,
        latency_ms=load.latency_ms,
        model=load.model,
        word_info=True,
    )
    try:
        async for result in results:
            call.arrivals.append((time.monotonic() - began_s, result))
    except ServerBusy:
        call.refused_s = time.monotonic() - began_s
    except HearkenError as error:
        call.failure = f"{type(error).__name__}: {error}"
    return call


async def _paced(speech: Speech, began_s: float, call: Call) -> AsyncIterator[bytes]:
    frame_bytes = speech.format.frame_bytes
    packet_bytes = max(1, int(PACKET_S * speech.bytes_per_s) // frame_bytes) * frame_bytes
    for start in range(0, len(speech.audio), packet_bytes):
        packet = speech.audio[start : start + packet_bytes]
        due_s = began_s + (start + len(packet)) / speech.bytes_per_s
        await asyncio.sleep(due_s - time.monotonic())
        call.late_s = max(call.late_s, time.monotonic() - due_s)
        yield packet
