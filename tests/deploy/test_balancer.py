"""deploy/haproxy/haproxy.cfg: the bytes with which it asks for health are gRPC, and it waits for the right answer."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "deploy" / "haproxy" / "haproxy.cfg").read_text(encoding="utf-8")
PROBE = bytes.fromhex("".join(re.findall(r"tcp-check send-binary (\w+)", CONFIGURATION)))
(ANSWER,) = re.findall(r"tcp-check expect rbinary (\S+)", CONFIGURATION)
(SERVING,) = re.findall(r"tcp-check expect min-recv 1 binary (\w+)", CONFIGURATION)

# A server whose health a line of standard input changes.
SERVER = """
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
servicer, server = health.HealthServicer(), grpc.server(ThreadPoolExecutor(2))
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
for line in sys.stdin:
    servicer.set("", health_pb2.HealthCheckResponse.ServingStatus.Value(line.strip()))
    print("set", flush=True)
"""


class Health:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._input, self._output = process.stdin, process.stdout
        self._port = int(self._output.readline())

    def set(self, status: str) -> None:
        """Names of HealthCheckResponse.ServingStatus."""
        self._input.write(f"{status}\n")
        self._input.flush()
        assert self._output.readline() == "set\n"

    def answer(self) -> str:
        """What the server says to the probe, in hexadecimal, until it says something that counts as an answer."""
        received = b""
        deadline = time.monotonic() + 10
        with socket.create_connection(("127.0.0.1", self._port), timeout=10) as connection:
            connection.sendall(PROBE)
            while not re.search(ANSWER, received.hex()):
                assert time.monotonic() < deadline, received
                piece = connection.recv(4096)
                assert piece, f"the server closed the connection after {received!r}"
                received += piece
        return received.hex()


@pytest.fixture
def health() -> Iterator[Health]:
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        yield Health(process)
        process.kill()


def test_a_server_that_serves_answers_what_the_balancer_waits_for(health: Health) -> None:
    health.set("SERVING")
    assert SERVING in health.answer()


def test_a_server_that_does_not_serve_answers_something_else(health: Health) -> None:
    health.set("NOT_SERVING")
    assert SERVING not in health.answer()
