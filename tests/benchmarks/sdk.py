"""What the Python library costs: its CPU beside that of the bare stubs, its packages, the time to import it.

`python tests/benchmarks/sdk.py`. The server is the real one around a recognizer that only counts, so that the clients
are all that is measured; each measurement is a process of its own, and both ways alternate.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

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
WARM_UP_S = 2.0
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


def stubs(server: str, seconds: float) -> Callable[[int], int]:
    """One stream by the generated stubs; gives how many results came."""
    stub = SpeechStub(grpc.insecure_channel(server))

    def requests(stream: int) -> Iterator[pb.StreamingRecognizeRequest]:
        yield _CONFIG
        for audio in spoken(seconds, stream):
            yield pb.StreamingRecognizeRequest(audio=audio)

    return lambda stream: sum(texts_in(response) for response in stub.StreamingRecognize(requests(stream)))


def library(server: str, seconds: float) -> Callable[[int], int]:
    """One stream by the library."""
    client = Client(server)

    def one(stream: int) -> int:
        return sum(1 for result in client.stream(spoken(seconds, stream), sample_rate_hz=RATE_HZ) if result.text)

    return one


async def stubs_async(server: str, seconds: float) -> int:
    """All streams by the generated stubs."""

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
    """All streams by the library."""
    async with AsyncClient(server) as client:

        async def one(stream: int) -> int:
            results = client.stream(spoken_async(seconds, stream), sample_rate_hz=RATE_HZ)
            return sum([1 async for result in results if result.text])

        return sum(await asyncio.gather(*map(one, range(STREAMS))))


def _in_threads(way: Callable[[str, float], Callable[[int], int]]) -> Callable[[str, float], int]:
    def all_streams(server: str, seconds: float) -> int:
        stream = way(server, seconds)
        with ThreadPoolExecutor(STREAMS) as threads:
            return sum(threads.map(stream, range(STREAMS)))

    return all_streams


WAYS: dict[str, Callable[[str, float], int]] = {
    "stubs": _in_threads(stubs),
    "library": _in_threads(library),
    "stubs, asyncio": lambda server, seconds: asyncio.run(stubs_async(server, seconds)),
    "library, asyncio": lambda server, seconds: asyncio.run(library_async(server, seconds)),
}


def cpu_s(way: str, server: str, seconds: float) -> float:
    """CPU time of this process for all streams, after a warm-up."""
    WAYS[way](server, WARM_UP_S)
    before_s = time.process_time()
    results = WAYS[way](server, seconds)
    assert results >= STREAMS * seconds, f"only {results} results"
    return time.process_time() - before_s


def _measured(way: str, server: str, seconds: float) -> float:
    command = [sys.executable, __file__, "--way", way, "--server", server, "--seconds", str(seconds)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


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
    seconds: Annotated[float, typer.Option(help="of audio in each stream")] = 20.0,
    rounds: Annotated[int, typer.Option(help="measurements of each way")] = 5,
    way: Annotated[str, typer.Option(hidden=True)] = "",
    server: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """The library beside the stubs: CPU for 20 streams in real time, packages, import."""
    if way:
        print(cpu_s(way, server, seconds))
        return
    print_packages_and_import()
    with running_server(program=("tests/service/fake_server.py",)) as running:
        took: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(rounds):
            for name in WAYS:
                took[name].append(_measured(name, running.address, seconds))
    for name, times_s in took.items():
        per_stream_ms = 1000 * statistics.median(times_s) / STREAMS / seconds
        each = ", ".join(f"{taken_s:.2f}" for taken_s in times_s)
        print(f"{name}: {per_stream_ms:.2f} ms of CPU a second of each stream ({each} s)")
    for kind in ("", ", asyncio"):
        ratio = statistics.median(took["library" + kind]) / statistics.median(took["stubs" + kind])
        print(f"library / stubs{kind}: {ratio:.3f}")


if __name__ == "__main__":
    typer.run(main)
