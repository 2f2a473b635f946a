"""Servers as users run them: processes of their own, on ports of their own choosing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START_S = 120


@dataclass(frozen=True)
class Serving:
    """address: of gRPC. pid: of the process."""

    address: str
    pid: int


@pytest.fixture(scope="session")
def run_server(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[Serving]]:
    """`with run_server(max_streams=2) as serving:`; the keywords are settings."""

    @contextmanager
    def run_server(**settings: object) -> Iterator[Serving]:
        log = tmp_path_factory.mktemp("server") / "log"
        chosen = {"port": 0, "metrics_port": 0, "device": "cpu", **settings}
        variables = {f"HEARKEN_{name.upper()}": str(value) for name, value in chosen.items()}
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "service"], cwd=ROOT, env={**os.environ, **variables}, stderr=file
            )
        try:
            yield Serving(_address_when_serving(process, log), process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, log.read_text()

    return run_server


@pytest.fixture(scope="session")
def server(run_server: Callable[..., AbstractContextManager[Serving]]) -> Iterator[str]:
    """The address of a server with its default settings."""
    with run_server() as serving:
        yield serving.address


def _address_when_serving(process: subprocess.Popen[bytes], log: Path) -> str:
    give_up_s = time.monotonic() + START_S
    while time.monotonic() < give_up_s:
        text = log.read_text()
        if "serving; " in text and (found := re.search(r"gRPC on (\S+)", text)):
            return found[1]
        assert process.poll() is None, text
        time.sleep(0.1)
    raise AssertionError(f"the server did not serve in time:\n{log.read_text()}")
