"""What the Python library costs: its CPU beside that of the bare stubs, its packages, the time to import it.

`python tests/benchmarks/sdk.py`. The server is the real one around a recognizer that only counts, so that the clients
are all that is measured. Both ways take turns in one process, so that what else the machine does falls on both; what
counts is the ratio of each such pair.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import subprocess
import tempfile
import time
import venv
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import grpc
import typer
from server import ROOT, running_server

from hearken import AsyncClient, Client
from hearken.v1 import speech_pb2 as pb
from hearken.v1.speech_pb2_grpc import SpeechStub

RATE_HZ = 16_000
PACKET_S = 0.1
PACKET_BYTES = int(2 * RATE_HZ * PACKET_S)
STREAMS = 20
# Streams last for minutes: neither their beginning nor their end is counted.
BEGINNING_S, END_S = 0.7, 0.2
WARM_UP_S = 2.0
RESAMPLINGS = 2000
# Callers did not begin at the same instant: the packets of all streams are spread over the time of one.
_APART_S = PACKET_S / STREAMS
# A word each quarter of a second, an utterance each 3 s.
_SPEECH = b"\x01\x02" * (PACKET_BYTES // 2)
_SILENCE = bytes(PACKET_BYTES)
_PERIOD, _SPOKEN = 30, 25


def packets(seconds: float) -> list[bytes]:
    """The audio of one stream."""
    count = round(seconds / PACKET_S)
    return [_SPEECH if number % _PERIOD < _SPOKEN else _SILENCE for number in range(count)]


def spoken(seconds: float, stream: int) -> Iterator[bytes]:
    """The audio of one of the streams at the speed of speech."""
    began_s = time.monotonic() + stream * _APART_S
    for number, packet in enumerate(packets(seconds)):
        time.sleep(max(0.0, began_s + number * PACKET_S - time.monotonic()))
        yield packet


async def spoken_async(seconds: float, stream: int) -> AsyncIterator[bytes]:
    """The same with asyncio."""
    began_s = time.monotonic() + stream * _APART_S
    for number, packet in enumerate(packets(seconds)):
        await asyncio.sleep(max(0.0, began_s + number * PACKET_S - time.monotonic()))
        yield packet


_CONFIG = pb.StreamingRecognizeRequest(
    config=pb.StreamingConfig(
        audio=pb.AudioConfig(encoding="LINEAR16", sample_rate_hz=RATE_HZ, channels=1), interim_results=True
    )
)


def texts_in(response: pb.StreamingRecognizeResponse) -> int:
    """Reads what a user of the stubs would read, and counts it."""
    return sum(1 for result in response.results if result.alternatives and result.alternatives[0].transcript)


def stubs(server: str, seconds: float) -> int:
    """All streams by the generated stubs; gives how many results came."""

    def requests(stream: int) -> Iterator[pb.StreamingRecognizeRequest]:
        yield _CONFIG
        for audio in spoken(seconds, stream):
            yield pb.StreamingRecognizeRequest(audio=audio)

    with grpc.insecure_channel(server) as channel, ThreadPoolExecutor(STREAMS) as threads:
        stub = SpeechStub(channel)

        def one(stream: int) -> int:
            return sum(texts_in(response) for response in stub.StreamingRecognize(requests(stream)))

        return sum(threads.map(one, range(STREAMS)))


def library(server: str, seconds: float) -> int:
    """All streams by the library."""
    with Client(server) as client, ThreadPoolExecutor(STREAMS) as threads:

        def one(stream: int) -> int:
            return sum(1 for result in client.stream(spoken(seconds, stream), sample_rate_hz=RATE_HZ) if result.text)

        return sum(threads.map(one, range(STREAMS)))


async def stubs_async(server: str, seconds: float) -> int:
    """All streams by the generated stubs, with asyncio."""

    async def requests(stream: int) -> AsyncIterator[pb.StreamingRecognizeRequest]:
        yield _CONFIG
        async for audio in spoken_async(seconds, stream):
            yield pb.StreamingRecognizeRequest(audio=audio)

    async with grpc.aio.insecure_channel(server) as channel:
        stub = SpeechStub(channel)

        async def one(stream: int) -> int:
            return sum([texts_in(response) async for response in stub.StreamingRecognize(requests(stream))])

        return sum(await asyncio.gather(*map(one, range(STREAMS))))


async def library_async(server: str, seconds: float) -> int:
    """All streams by the library, with asyncio."""
    async with AsyncClient(server) as client:

        async def one(stream: int) -> int:
            results = client.stream(spoken_async(seconds, stream), sample_rate_hz=RATE_HZ)
            return sum([1 async for result in results if result.text])

        return sum(await asyncio.gather(*map(one, range(STREAMS))))


# The stubs and the library, of each kind.
Way: TypeAlias = Callable[[str, float], int]
WAYS: dict[str, tuple[Way, Way]] = {
    "Client": (stubs, library),
    "AsyncClient": (
        lambda server, seconds: asyncio.run(stubs_async(server, seconds)),
        lambda server, seconds: asyncio.run(library_async(server, seconds)),
    ),
}


def cpu_s(way: Way, server: str, seconds: float) -> float:
    """CPU time of this process in so many seconds in which all streams run."""
    with ThreadPoolExecutor(1) as thread:
        streams = thread.submit(way, server, BEGINNING_S + seconds + END_S)
        time.sleep(BEGINNING_S)
        before_s = time.process_time()
        time.sleep(seconds)
        took_s = time.process_time() - before_s
        results = streams.result()
    assert results >= STREAMS * seconds, f"only {results} results"
    return took_s


@dataclass(frozen=True)
class Pair:
    """CPU time of one way right after the other."""

    stubs_s: float
    library_s: float

    @property
    def ratio(self) -> float:
        return self.library_s / self.stubs_s


def measured(kind: str, server: str, seconds: float, *, library_first: bool) -> Pair:
    """One pair."""
    stubs_way, library_way = WAYS[kind]
    if library_first:
        library_s = cpu_s(library_way, server, seconds)
        return Pair(cpu_s(stubs_way, server, seconds), library_s)
    return Pair(cpu_s(stubs_way, server, seconds), cpu_s(library_way, server, seconds))


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the median would lie in 95 of 100 repetitions, by resampling."""
    chance = random.Random(0)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(RESAMPLINGS))
    return medians[round(0.025 * RESAMPLINGS)], medians[round(0.975 * RESAMPLINGS)]


def print_packages_and_import() -> None:
    """Installs the library in an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        pip = [python, "-m", "pip", "--disable-pip-version-check"]
        before = set(_output([*pip, "freeze", "--all"]).splitlines())
        subprocess.run(
            [*pip, "install", "--quiet", "--only-binary=grpcio,protobuf", ROOT / "clients/python"], check=True
        )
        packages = sorted(set(_output([*pip, "freeze", "--all"]).splitlines()) - before)
        print(f"{len(packages)} packages: {', '.join(name.split('==')[0].split(' @')[0] for name in packages)}")
        importing = "import time; t = time.perf_counter(); import hearken; print(time.perf_counter() - t)"
        times_s = sorted(float(_output([python, "-c", importing])) for _ in range(6))
        print(f"import: {statistics.median(times_s):.2f} s, median of {len(times_s)}")


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main(
    seconds: Annotated[float, typer.Option(help="that are measured at a time")] = 4.0,
    rounds: Annotated[int, typer.Option(help="pairs of each kind")] = 18,
) -> None:
    """The library beside the stubs: CPU for 20 streams in real time, packages, import."""
    print_packages_and_import()
    pairs: dict[str, list[Pair]] = {kind: [] for kind in WAYS}
    with running_server(program=("tests/service/fake_server.py",)) as running:
        for kind in WAYS:
            measured(kind, running.address, WARM_UP_S, library_first=False)
        for number in range(rounds):
            for kind in WAYS:
                pairs[kind].append(measured(kind, running.address, seconds, library_first=number % 2 == 1))
    for kind, of_kind in pairs.items():
        stubs_ms = 1000 * statistics.median(pair.stubs_s for pair in of_kind) / STREAMS / seconds
        library_ms = 1000 * statistics.median(pair.library_s for pair in of_kind) / STREAMS / seconds
        ratios = [pair.ratio for pair in of_kind]
        low, high = interval(ratios)
        print(f"{kind}: {library_ms:.2f} ms of CPU for a second of a stream, bare stubs {stubs_ms:.2f} ms")
        print(f"  ratio {statistics.median(ratios):.3f}, 95 % interval {low:.3f} to {high:.3f}, {rounds} pairs")


if __name__ == "__main__":
    typer.run(main)
