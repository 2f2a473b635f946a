"""What a stream costs beside recognition: CPU of the balancer, of the server's front end, and of the client.

    python tests/benchmarks/balancer.py --streams 50 --seconds 20       (needs haproxy on the PATH)

The server is the fake of the tests, which recognizes nothing: it uses gRPC, conversion and the event loop. Audio is
sent at the speed of speech, in packets of 100 ms. CPU time is of whole processes, for the client with its start.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
RECORDING_S = 10


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, fake_server() as (server, server_port):
        folder = Path(name)
        with haproxy(folder, server_port) as (balancer, port):
            recording = folder / "recording.wav"
            write_recording(recording)
            before = {process: cpu_s(process.pid) for process in (server, balancer)}
            children = os.times()
            load = [sys.executable, "-m", "hearken", "load", str(recording), "--server", f"127.0.0.1:{port}"]
            load += ["--streams", str(chosen.streams), "--seconds", str(chosen.seconds)]
            said = subprocess.run(load, check=True, env=environment(), stdout=subprocess.PIPE, text=True).stdout
            after = os.times()
            used = {"balancer": cpu_s(balancer.pid) - before[balancer], "front end": cpu_s(server.pid) - before[server]}
    used["client"] = after.children_user + after.children_system - children.children_user - children.children_system
    (audio_s,) = re.findall(r"in\s+(\d+)\s+s\s+of\s+audio", said)
    print(said)
    for what, seconds in used.items():
        print(f"{what}: {1000 * seconds / int(audio_s):.2f} ms of a core for each second of a stream")


@contextmanager
def fake_server() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process and its port."""
    settings = {"HEARKEN_PORT": "0", "HEARKEN_METRICS_PORT": "0", "HEARKEN_MAX_STREAMS": "10000"}
    command = [sys.executable, str(ROOT / "tests" / "service" / "fake_server.py")]
    with subprocess.Popen(command, env=environment() | settings, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        port = next(int(found[1]) for line in process.stderr if (found := re.search(r"gRPC on \S+:(\d+)", line)))
        time.sleep(3)
        yield process, port
        process.terminate()


@contextmanager
def haproxy(folder: Path, server_port: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The balancer with its own configuration, but for names and ports."""
    port, own_port = free_port(), free_port()
    text = (ROOT / "deploy" / "haproxy" / "haproxy.cfg").read_text(encoding="utf-8")
    text = re.sub(r"server-template .*", f"server one 127.0.0.1:{server_port} proto h2 check inter 1s", text)
    text = text.replace(":50051 proto h2", f"127.0.0.1:{port} proto h2").replace(":8404", f"127.0.0.1:{own_port}")
    (folder / "haproxy.cfg").write_text(text, encoding="utf-8")
    with subprocess.Popen(["haproxy", "-db", "-f", folder / "haproxy.cfg"], stdout=subprocess.DEVNULL) as process:
        time.sleep(3)  # its first look at the server's health
        yield process, port
        process.terminate()


def write_recording(path: Path) -> None:
    """Never silent, so that the fake hears a word in every step."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\x01\x02" * 16_000 * RECORDING_S)


def cpu_s(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def free_port() -> int:
    """A port on which nothing listens at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def environment() -> dict[str, str]:
    """Of this checkout."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])}


if __name__ == "__main__":
    main()
