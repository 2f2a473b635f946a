"""Faults inside: decoder processes that are killed, no memory, no disk, another model in the middle.

The real recognizer on the tiny package of tests/models, which hears nonsense, but always the same.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from good_callers import Heard, speak, transcript
from serving import FAKE, FAULTY, ROOT, Serving, serving

from hearken import AsyncClient, HearkenError
from tests.models import conftest as tiny_model

pytestmark = pytest.mark.asyncio(loop_scope="module")

tiny_package = tiny_model.tiny_package

PACE = 2.0
"""Seconds of audio a second."""


@dataclass(frozen=True)
class Bench:
    """A server with the real model, and what undisturbed it makes of a recording."""

    server: Serving
    audio: bytes
    wanted: str
    fault: Path
    model: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory, tiny_package: Path) -> AsyncIterator[Bench]:
    folder = tmp_path_factory.mktemp("faults")
    fault, model = folder / "fault", folder / "model"
    model.symlink_to(tiny_package)
    audio = tiny_model.babble(4.0, 0)
    settings = {"model": model, "cpu_share": 100, "max_wait_share": 100, "threads": 1, "decoder_processes": 1}
    async with serving(FAULTY, FAULT_FILE=fault, **settings) as server:
        async with AsyncClient(server.address) as client:
            wanted = await transcript(client, audio)
        assert wanted
        yield Bench(server, audio, wanted, fault, model)


async def speaking(bench: Bench, streams: int) -> tuple[Heard, asyncio.Task[object]]:
    """Streams that have begun, and what they will have heard."""
    heard = Heard()

    async def one() -> None:
        async with AsyncClient(bench.server.address, reconnect=None) as client:
            await speak(client, bench.audio, bench.wanted, heard, pace=PACE)

    task = asyncio.gather(*(one() for _ in range(streams)))
    async with asyncio.timeout(20):
        while await bench.server.metric("hearken_streams_active") < streams:
            await asyncio.sleep(0.01)
    return heard, task  # type: ignore[return-value]


async def test_killed_decoder_processes_are_replaced_and_no_transcript_is_lost(bench: Bench) -> None:
    heard, streams = await speaking(bench, 3)
    before = bench.server.children()
    decoders = [pid for pid in before if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
    assert decoders
    for pid in decoders:
        os.kill(pid, signal.SIGKILL)
    await streams
    assert (heard.right, heard.wrong, heard.failed) == (3, [], [])


async def test_a_batch_that_finds_no_memory_is_made_smaller_and_no_stream_notices(bench: Bench) -> None:
    heard, streams = await speaking(bench, 4)
    bench.fault.write_text("memory")
    await streams
    assert (heard.right, heard.wrong, heard.failed) == (4, [], [])
    bench.fault.unlink(missing_ok=True)  # if no two streams were ready at the same time


async def test_a_bad_package_changes_nothing_and_a_good_one_is_taken_while_streams_run(
    bench: Bench, tmp_path: Path, tiny_package: Path
) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(bench.model, bad)
    (bad / "weights.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    heard, streams = await speaking(bench, 2)
    for target, outcome in ((bad, "failed"), (tiny_package, "done")):
        bench.model.unlink()
        bench.model.symlink_to(target)
        bench.server.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(60):
            while not await bench.server.metric(f'hearken_model_reloads_total{{outcome="{outcome}"}}'):
                await asyncio.sleep(0.05)
    await streams
    later, streams = await speaking(bench, 1)
    await streams
    assert (heard.right + later.right, heard.wrong + later.wrong, heard.failed + later.failed) == (3, [], [])


async def test_a_lost_device_ends_every_stream_with_a_status_and_the_process_with_3(bench: Bench) -> None:
    """Last: there is no server after it."""
    heard, streams = await speaking(bench, 3)
    bench.fault.write_text("device")
    async with asyncio.timeout(20):
        await streams
        assert await asyncio.to_thread(bench.server.process.wait) == 3
    assert len(heard.failed) == 3 and not heard.wrong


async def test_a_log_on_a_full_disk_stops_nobody() -> None:
    ports = []
    for _ in range(2):
        with socket.create_server(("127.0.0.1", 0)) as free:
            ports.append(free.getsockname()[1])
    variables = {"HEARKEN_PORT": str(ports[0]), "HEARKEN_METRICS_PORT": str(ports[1]), "HEARKEN_DRAIN_GRACE_S": "1"}
    path = os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen(FAKE, env={**os.environ, **variables, "PYTHONPATH": path}, stderr=full)
    try:
        async with AsyncClient(f"127.0.0.1:{ports[0]}") as client, asyncio.timeout(30):
            while True:
                try:
                    assert await transcript(client, b"\x01\x02" * 8000) == "w1 w2"
                    break
                except HearkenError:
                    await asyncio.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 20) == 0
    finally:
        process.kill()
        process.wait()
