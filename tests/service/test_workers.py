"""Several processes behind one port, around the fake recognizer: who serves, who is replaced, what is added up."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hearken.v1 import speech_pb2 as pb
from hearken.v1.speech_pb2_grpc import SpeechStub
from service.settings import Settings
from service.workers import Place

FAKE_SERVER = Path(__file__).with_name("fake_server.py")
WORD = b"\x01\x02" * 4000  # of the fake recognizer, 0.25 s
CONFIG = pb.StreamingRecognizeRequest(
    config=pb.StreamingConfig(audio=pb.AudioConfig(encoding="LINEAR16", sample_rate_hz=16_000))
)
PATIENCE_S = 60.0


@dataclass
class Serving:
    process: subprocess.Popen[bytes]
    log: Path
    metrics: str

    @property
    def address(self) -> str:
        return f"127.0.0.1:{re.findall(r'gRPC on 127.0.0.1:([0-9]+)', self.log.read_text())[-1]}"

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]

    def metric(self, name: str) -> float:
        text = urllib.request.urlopen(self.metrics, timeout=10).read().decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return sum(sample.value for sample in samples if sample.name == name)

    async def until_served(self, times: int) -> None:
        await self.until(lambda: self.log.read_text().count("gRPC on") == times)

    async def until(self, condition: object) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # type: ignore[operator]
                assert self.process.poll() is None, self.log.read_text()
                await asyncio.sleep(0.05)


@asynccontextmanager
async def two_workers(tmp_path: Path, **settings: str) -> AsyncIterator[Serving]:
    log = tmp_path / "log"
    own = {"HEARKEN_WORKERS": "2", "HEARKEN_PORT": "0", "HEARKEN_METRICS_PORT": "0", **settings}
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, FAKE_SERVER], env=os.environ | own, stderr=out)
    serving = Serving(process, log, "")
    try:
        await serving.until_served(2)
        (serving.metrics,) = re.findall(r"metrics of all workers on (\S+)", log.read_text())
        yield serving
    finally:
        process.kill()
        process.wait()


async def recognize(address: str) -> list[str]:
    """One stream over a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        requests = [CONFIG, *(pb.StreamingRecognizeRequest(audio=WORD) for _ in range(3))]
        call = SpeechStub(channel).StreamingRecognize(iter(requests))
        return [
            result.alternatives[0].transcript
            async for response in call
            for result in response.results
            if result.is_final
        ]


@pytest.mark.asyncio
async def test_both_serve_on_one_port_and_their_metrics_add_up(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as serving:
        streams = 24
        assert await asyncio.gather(*(recognize(serving.address) for _ in range(streams))) == [["w1 w2 w3"]] * streams
        assert serving.metric("hearken_streams_total") == streams
        assert serving.metric("hearken_model_info") == 1
        log = serving.log.read_text()
        served = {
            name: len(re.findall(rf"INFO {name} .*: StreamingRecognize of", log)) for name in ("worker-0", "worker-1")
        }
        assert sum(served.values()) == streams
        assert min(served.values()) > 0, "the kernel gives both some of 24 connections, but once in 8 million times"
        serving.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(serving.process.wait, PATIENCE_S) == 0


@pytest.mark.asyncio
async def test_a_worker_that_dies_is_replaced_and_its_counts_are_kept(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as serving:
        await asyncio.gather(*(recognize(serving.address) for _ in range(8)))
        assert serving.metric("hearken_streams_total") == 8
        serving.workers()[0].kill()
        await serving.until_served(3)
        assert await recognize(serving.address) == ["w1 w2 w3"]
        assert serving.metric("hearken_streams_total") == 9


@pytest.mark.asyncio
async def test_the_others_serve_on_while_a_replacement_cannot_start(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text("")
    async with two_workers(tmp_path, HEARKEN_TOKENS_FILE=str(tokens)) as serving:
        tokens.unlink()
        serving.workers()[0].kill()
        await serving.until(lambda: "has ended with code 2" in serving.log.read_text())
        assert len(serving.workers()) >= 1
        tokens.write_text("")
        await serving.until_served(3)


@pytest.mark.asyncio
async def test_workers_end_when_nobody_is_there_to_end_them(tmp_path: Path) -> None:
    async with two_workers(tmp_path) as serving:
        workers = serving.workers()
        assert len(workers) == 2
        serving.process.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, workers, PATIENCE_S)
        assert not alive


def test_what_cannot_start_is_said_once_and_not_tried_again(tmp_path: Path) -> None:
    settings = {"HEARKEN_WORKERS": "2", "HEARKEN_PORT": "0", "HEARKEN_METRICS_PORT": "0"}
    command = [sys.executable, FAKE_SERVER]
    wrong = settings | {"HEARKEN_TLS_CERTIFICATE": str(tmp_path / "none.pem"), "HEARKEN_TLS_KEY": str(tmp_path / "k")}
    ended = subprocess.run(command, env=os.environ | wrong, capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode == 2
    assert "none.pem" in ended.stderr


def test_each_has_its_part_of_the_limits() -> None:
    whole = Settings(workers=3, max_streams=100, metrics_port=9000, decoder_processes=4)
    own = Place(number=1, port=50_000).share_of(whole)
    assert (own.port, own.metrics_port, own.max_streams, own.decoder_processes) == (50_000, 0, 34, 4)
    assert own.threads >= 1
