"""What happens to good callers while something goes wrong? One fault after the other, each with a limit of 10 s.

`python tests/reliability/chaos.py`. Prints a table in Markdown and ends with 1 unless everything held.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import attacks
import typer
from good_callers import Heard, keep_speaking, speak
from serving import FAKE, FAULTY, REAL, ROOT, Serving, serving
from soak import recordings_of

from hearken import AsyncClient
from hearken.v1 import speech_pb2 as pb
from service.tokens import Scope, create_token

LIMIT_S = 10.0
"""Until a fault must be over: recovered, or the process is gone."""

_SAMPLES = ROOT / "clients" / "samples" / "audio"
_CALM_S = 10.0
_TOKENS_A_SECOND = 1000
_HEAD = """\
| fault | amount | good streams: right / wrong / failed | p99 lag before → during, ms | over after, s | |
|---|---|---|---|---|---|
"""
_MESSAGES = [
    pb.StreamingRecognizeRequest(
        config=pb.StreamingConfig(audio=pb.AudioConfig(encoding=pb.AudioConfig.LINEAR16, sample_rate_hz=16000))
    ).SerializeToString(),
    pb.StreamingRecognizeRequest(audio=bytes(32_000)).SerializeToString(),
]

Recordings = Sequence[tuple[bytes, str]]


@dataclass(frozen=True)
class Row:
    """One fault and what came of it. over_s: from its end until nothing of it was left, or the process was gone."""

    fault: str
    amount: str
    heard: Heard
    over_s: float
    lag_ms: str
    problem: str = ""

    def __str__(self) -> str:
        heard = f"{self.heard.right} / {len(self.heard.wrong)} / {len(self.heard.failed)}"
        cells = self.fault, self.amount, heard, self.lag_ms, f"{self.over_s:.1f}", self.problem or "held"
        return f"| {' | '.join(cells)} |"


@dataclass(frozen=True)
class Target:
    """What an attacker knows of a server."""

    port: int
    address: str


Fault = Callable[[Any, float, str], Awaitable[str]]
"""Does harm to a Target, or a Serving, for so many seconds, with or without its token; tells how much."""


def _repeated(attack: Callable[[int], Awaitable[attacks.Seen]], unit: str) -> Fault:
    async def fault(server: Target, seconds: float, token: str) -> str:
        until_s, begun, refused, left_open = time.monotonic() + seconds, 0, 0, 0
        while begun == 0 or time.monotonic() < until_s:
            seen = await attack(server.port)
            begun, refused, left_open = begun + seen.begun, refused + seen.refused, left_open + seen.left_open
        more = [f"{number} {what}" for number, what in ((refused, "refused"), (left_open, "left open")) if number]
        return ", ".join([f"{begun} {unit}", *more])

    return fault


async def _kill_decoders(server: Serving, seconds: float, token: str) -> str:
    killed = 0
    for pid in server.children():
        if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)
            killed += 1
    await asyncio.sleep(seconds)
    return f"{killed} processes"


async def _reload(server: Serving, seconds: float, token: str) -> str:
    until_s, reloads = time.monotonic() + seconds, 0
    while reloads == 0 or time.monotonic() < until_s:
        reloads += 1
        server.process.send_signal(signal.SIGHUP)
        while await server.metric('hearken_model_reloads_total{outcome="done"}') < reloads:
            await asyncio.sleep(0.2)
    return f"{reloads} reloads"


def _wrong_tokens(connections: int) -> Fault:
    async def fault(server: Target, seconds: float, token: str) -> str:
        count, began_s = int(_TOKENS_A_SECOND * seconds), time.monotonic()
        seen = await attacks.wrong_tokens(
            server.address, count, _TOKENS_A_SECOND, connections=connections, patience_s=0.0
        )
        answered = f"{seen.refused / (time.monotonic() - began_s):.0f} a second answered"
        return f"{count} wanted, {seen.begun} made, {answered}"

    return fault


async def _vanish(server: Target, seconds: float, token: str) -> str:
    count = 10
    await asyncio.gather(*(attacks.half_open(server.port, _MESSAGES, token) for _ in range(count)))
    return f"{count} streams"


ATTACKS: dict[str, Fault] = {
    "random bytes on the port": _repeated(attacks.random_bytes, "connections"),
    "corrupt TLS": _repeated(attacks.corrupt_tls, "connections"),
    "slow loris": _repeated(attacks.slow_loris, "connections"),
    "connects, at most 5,000 a second": _repeated(lambda port: attacks.connect_flood(port, 5000), "connections"),
    "rapid reset": _repeated(lambda port: attacks.rapid_reset(port, 10_000), "requests"),
    "rapid reset on one connection": _repeated(lambda port: attacks.rapid_reset(port, 200_000, obeys=True), "requests"),
    "ping flood": _repeated(attacks.ping_flood, "pings"),
    "endless headers": _repeated(attacks.endless_header, "frames"),
    "half-open connections": _vanish,
    "wrong tokens": _wrong_tokens(8),
    "wrong tokens over 100 connections": _wrong_tokens(100),
}
"""Other clients' doing. In a process of their own: what the good callers wait for is not to be this program."""

UNBEARABLE: dict[str, Fault] = {
    "rapid reset, ever new connections": _repeated(lambda port: attacks.rapid_reset(port, 100), "requests"),
}
"""What only something in front of the server can hold back. Done where it is asked for by its name."""

FAULTS: dict[str, Fault] = {"decoder processes killed": _kill_decoders, "model reloaded": _reload}
"""The server's own."""


DEADLY = {"inference thread dies": "thread", "device lost": "device"}
"""What no process survives, and what faulty_server.py calls it."""


@dataclass(frozen=True)
class Harm:
    """What is done, to which server and for how long. token: the good callers'. attackers: where attacks run."""

    name: str
    server: Serving
    seconds: float
    token: str
    attackers: Executor

    async def do(self) -> str:
        """Tells how much."""
        if self.name in FAULTS:
            return await FAULTS[self.name](self.server, self.seconds, self.token)
        target = Target(self.server.port, self.server.address)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.attackers, _attack, self.name, target, self.seconds, self.token)


def _attack(name: str, target: Target, seconds: float, token: str) -> str:
    return asyncio.run((ATTACKS | UNBEARABLE)[name](target, seconds, token))


async def _beside(server: Serving, recordings: Recordings, streams: int, harm: Harm) -> Row:
    """One fault, with good streams before it, during it, and after it."""
    heard, done = Heard(), asyncio.Event()
    speaking = asyncio.create_task(
        keep_speaking(server.address, recordings, heard, streams=streams, done=done, token=harm.token)
    )
    await asyncio.sleep(_CALM_S)
    sockets, began_s = server.sockets(), time.monotonic()
    amount = await harm.do()
    ended_s = time.monotonic()
    over_s = await _over(server, sockets, streams, harm.token)
    done.set()
    await speaking
    before, during = heard.quantile(0.99, 0.0, began_s), heard.quantile(0.99, began_s, ended_s)
    problems = [*heard.wrong, *heard.failed]
    if over_s > LIMIT_S:
        problems.append(f"not over after {LIMIT_S:g} s")
    return Row(harm.name, amount, heard, over_s, f"{1000 * before:.0f} → {1000 * during:.0f}", "; ".join(problems[:1]))


async def _over(server: Serving, sockets: int, streams: int, token: str) -> float:
    """Time until only the good streams and their connections are left, and a new call is answered."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < 2 * LIMIT_S:
        if server.sockets() <= sockets + 3 and await server.metric("hearken_streams_active") <= streams:
            break
        await asyncio.sleep(0.1)
    async with AsyncClient(server.address, token=token, channel_options=attacks.OWN_CONNECTION) as client:
        await client.models(timeout_s=None)
    return time.monotonic() - began_s


async def _deadly(recordings: Recordings, streams: int, name: str) -> Row:
    """One of DEADLY: every stream must get a status, and the process end with 3."""
    with tempfile.TemporaryDirectory() as folder:
        file, heard = Path(folder) / "fault", Heard()
        async with serving(FAULTY, FAULT_FILE=file, cpu_share=100, max_wait_share=100) as server:
            audio, wanted = max(recordings, key=lambda recording: len(recording[0]))

            async def one() -> None:
                async with AsyncClient(server.address, reconnect=None) as client:
                    await speak(client, audio, wanted, heard)

            speaking = asyncio.gather(*(one() for _ in range(streams)))
            await asyncio.sleep(2.0)
            file.write_text(DEADLY[name])
            began_s = time.monotonic()
            await speaking
            code = await asyncio.to_thread(server.process.wait)
            over_s = time.monotonic() - began_s
    problem = "" if code == 3 and len(heard.failed) == streams else f"exit code {code}; {heard.right} streams said OK"
    return Row(name, "once", heard, over_s, "—", problem)


async def _drain(recordings: Recordings, streams: int, grace_s: float) -> Row:
    """SIGTERM while streams run; they stop sending at once, and must get every word."""
    heard = Heard()
    async with serving(REAL, cpu_share=100, max_wait_share=100, drain_grace_s=grace_s) as server:
        clients = [AsyncClient(server.address, reconnect=None) for _ in range(streams)]
        speaking = asyncio.gather(
            *(speak(client, *recordings[n % len(recordings)], heard) for n, client in enumerate(clients))
        )
        await asyncio.sleep(1.0)
        server.process.send_signal(signal.SIGTERM)
        began_s = time.monotonic()
        await speaking
        for client in clients:
            await client.close()
        code = await asyncio.to_thread(server.process.wait)
        over_s = time.monotonic() - began_s
    problems = [*heard.wrong, *heard.failed, *([f"exit code {code}"] if code else [])]
    if over_s > grace_s:
        problems.append(f"took longer than the grace of {grace_s:g} s")
    return Row("drain", f"{streams} streams", heard, over_s, "—", "; ".join(problems[:1]))


def main(
    seconds: Annotated[float, typer.Option(help="of each fault that can go on")] = 20.0,
    fuzz_minutes: Annotated[float, typer.Option(help="of random bytes")] = 10.0,
    streams: Annotated[int, typer.Option(help="good callers at a time")] = 3,
    drained: Annotated[int, typer.Option(help="streams that run when the server is told to stop")] = 50,
    drain_grace_s: Annotated[float, typer.Option()] = 30.0,
    speech: Annotated[Path, typer.Option(help="folder of 16 kHz recordings")] = _SAMPLES,
    only: Annotated[str, typer.Option(help="rows with this in their name")] = "",
    decoy: Annotated[
        bool, typer.Option(help="attack a second server: the rest is what attackers and it take of the machine")
    ] = False,
) -> None:
    """Starts servers of its own, harms them, prints a table; exit code 1 unless everything held."""

    async def rows() -> AsyncIterator[Row]:
        spawning = multiprocessing.get_context("spawn")
        with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, spawning) as attackers:
            attackers.submit(os.getpid).result()  # the process is there before the first attack
            tokens = Path(folder) / "tokens.toml"
            token = create_token(tokens, "good", frozenset(Scope), None, None)
            async with contextlib.AsyncExitStack() as stack:
                server = await stack.enter_async_context(
                    serving(REAL, cpu_share=100, max_wait_share=100, tokens_file=tokens)
                )
                attacked = await stack.enter_async_context(serving(FAKE, tokens_file=tokens)) if decoy else server
                recordings = await recordings_of(server, speech, token=token)
                for name in (*ATTACKS, *FAULTS, *(name for name in UNBEARABLE if name == only)):
                    lasting_s = 60 * fuzz_minutes if name.startswith("random bytes") else seconds
                    if only in name:
                        harm = Harm(name, attacked, lasting_s, token, attackers)
                        yield await _beside(server, recordings, streams, harm)
        for name in DEADLY:
            if only in name:
                yield await _deadly(recordings, streams, name)
        if only in "drain":
            yield await _drain(recordings, drained, drain_grace_s)

    async def run() -> bool:
        sys.stdout.write(_HEAD)
        all_held = True
        async for row in rows():
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()
            all_held &= not row.problem
        return all_held

    raise SystemExit(0 if asyncio.run(run()) else 1)


if __name__ == "__main__":
    typer.run(main)
