"""A server process to be treated badly: started, watched by its metrics, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAKE = [sys.executable, str(ROOT / "tests" / "service" / "fake_server.py")]
REAL = [sys.executable, "-m", "service"]
FAULTY = [sys.executable, str(ROOT / "tests" / "reliability" / "faulty_server.py")]
_START_S = 120.0
_STOP_S = 60.0


@dataclass(frozen=True)
class Serving:
    """A process that serves. log: the file that it writes."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int
    metrics_port: int

    @property
    def address(self) -> str:
        """For clients."""
        return f"127.0.0.1:{self.port}"

    async def metric(self, sample: str) -> float:
        """The value now; sample: as Prometheus writes it, with labels."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        with await asyncio.to_thread(urllib.request.urlopen, url, timeout=10) as answer:
            page = answer.read().decode()
        found = re.search(rf"^{re.escape(sample)} (\S+)$", page, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def sockets(self) -> int:
        """Connections that the process holds, and what it listens on."""
        count = 0
        for file in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since
                count += os.readlink(file).startswith("socket:")
        return count

    def open_files(self) -> int:
        """Files and connections that the process holds."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_mb(self) -> float:
        """Resident, of the process without its children."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def children(self) -> list[int]:
        """Process ids, the decoders' among them."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        found = (task / "children" for task in tasks.iterdir())
        return [int(child) for file in found if file.exists() for child in file.read_text().split()]


@contextlib.asynccontextmanager
async def serving(command: Sequence[str], **settings: object) -> AsyncIterator[Serving]:
    """settings: of the server, and other variables of its environment in capitals.

    Ends the process with SIGTERM, and by force where that does not help.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("HEARKEN_")}
    chosen = {"port": 0, "metrics_port": 0, "device": "cpu", **settings}
    variables = {name if name.isupper() else f"HEARKEN_{name.upper()}": str(value) for name, value in chosen.items()}
    path = os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(command, cwd=ROOT, env={**own, **variables, "PYTHONPATH": path}, stderr=file)
        try:
            yield await _when_serving(process, log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(process.wait, _STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


async def _when_serving(process: subprocess.Popen[bytes], log: Path) -> Serving:
    async with asyncio.timeout(_START_S):
        while True:
            text = log.read_text()
            if process.poll() is not None:
                raise RuntimeError(f"the server ended:\n{text}")
            ports = re.search(r"gRPC on \S+:(\d+)[\s\S]*metrics on http://\S+:(\d+)/", text)
            if ports and "serving; " in text:
                return Serving(process, log, int(ports[1]), int(ports[2]))
            await asyncio.sleep(0.1)
