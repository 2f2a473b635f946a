"""The demonstration: starts a server, speaks recordings to it at the speed of speech, and shows what it hears when.

    python clients/samples/demo.py [RECORDING...]                  (`make demo`, `make demo AUDIO=recording.wav`)
    python clients/samples/demo.py --server HOST:PORT [RECORDING...]     (`make demo-remote SERVER=HOST:PORT`)

A server that asks for a token gets that of the variable HEARKENCLIENT_TOKEN. Exits with 0, or with 1 and a sentence.
"""

from __future__ import annotations

import argparse
import csv
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from statistics import mean
from typing import Any, TextIO

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich import box
from rich.console import Console
from rich.table import Table

import hearken
from hearken._command.captions import LiveCaptions, PlainLines

REPOSITORY = Path(__file__).resolve().parents[2]
BUNDLED = REPOSITORY / "clients" / "samples" / "audio"
START_LIMIT_S = 120.0
STOP_LIMIT_S = 20.0
POLL_S = 0.2
LOG_LINES_SHOWN = 15
WORDS_A_ROW = 6


class DemoFailed(Exception):
    """The text is a sentence which says what went wrong."""


@dataclass
class Session:
    """What was heard of one recording, and when (seconds of a monotonic clock)."""

    finals: list[hearken.Result] = field(default_factory=list)
    audio_began_s: float = 0.0
    audio_ended_s: float = 0.0
    first_interim_s: float | None = None
    last_final_s: float = 0.0
    lags_s: list[float] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(result.text for result in self.finals if result.text)

    @property
    def words(self) -> list[hearken.Word]:
        return [word for result in self.finals for word in result.words]


def main(arguments: list[str]) -> int:
    """Runs the demonstration and gives the exit code."""
    parser = argparse.ArgumentParser(prog="demo.py")
    parser.add_argument("recordings", nargs="*", type=Path, metavar="RECORDING")
    parser.add_argument("--server", metavar="HOST:PORT", help="use this one")
    parser.add_argument("--root-certificates", metavar="FILE", help="PEM file of the server's authorities, for TLS")
    chosen = parser.parse_args(arguments)
    console = Console(highlight=False)
    known = {} if chosen.recordings else known_texts()
    recordings = chosen.recordings or [BUNDLED / name for name in known]
    token = os.environ.get("HEARKENCLIENT_TOKEN") if chosen.server else None
    server = nullcontext(chosen.server) if chosen.server else running_server(console)
    try:
        audio = [hearken.AudioFile(path, pace=1.0) for path in recordings]
        with (
            server as address,
            hearken.Client(address, root_certificates=chosen.root_certificates, token=token) as client,
        ):
            for path, recording in zip(recordings, audio, strict=True):
                length = f", {recording.duration_s:.1f} s" if recording.duration_s else ""
                console.print(f"\n[bold]{path.name}[/]{length}, at the speed of speech:")
                session = listen(client, recording, console)
                report(session, known.get(path.name), console)
    except (DemoFailed, hearken.HearkenError) as error:
        print(f"the demonstration failed: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"the demonstration failed: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def known_texts() -> dict[str, str]:
    """Name -> text of the bundled recordings."""
    with (BUNDLED / "transcripts.tsv").open(encoding="utf-8", newline="") as file:
        return {row["file"]: row["text"] for row in csv.DictReader(file, delimiter="\t")}


@contextmanager
def running_server(console: Console) -> Iterator[str]:
    """A server of this checkout on a free port; gives its address when it is ready, and stops it in the end."""
    with ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
        address = f"127.0.0.1:{free_port()}"
        settings = {
            "HEARKEN_HOST": "127.0.0.1",
            "HEARKEN_PORT": address.partition(":")[2],
            "HEARKEN_METRICS_PORT": str(free_port()),
        }
        console.print(f"starting a server on {address} ...")
        began_s = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "service"], cwd=REPOSITORY, env=os.environ | settings, stdout=log, stderr=log
        )
        stack.callback(end, process)
        with console.status("it loads the model"):
            while not is_serving(address):
                if process.poll() is not None:
                    raise DemoFailed(f"the server ended with exit code {process.returncode}; it said:\n{tail(log)}")
                if time.monotonic() - began_s > START_LIMIT_S:
                    raise DemoFailed(f"the server was not ready after {START_LIMIT_S:.0f} s; it said:\n{tail(log)}")
                time.sleep(POLL_S)
        console.print(f"ready after {time.monotonic() - began_s:.1f} s")
        yield address
        process.send_signal(signal.SIGTERM)
        try:
            exit_code = process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"the server did not stop within {STOP_LIMIT_S:.0f} s of SIGTERM") from None
        if exit_code != 0:
            raise DemoFailed(f"the server stopped with exit code {exit_code}; it said:\n{tail(log)}")
        console.print("\nthe server has stopped")


def free_port() -> int:
    """A port on which nothing listens at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def is_serving(address: str) -> bool:
    """Whether the server's health is SERVING."""
    with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = health.Check(health_pb2.HealthCheckRequest(service="hearken.v1.Speech"), timeout=2.0)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def tail(log: TextIO) -> str:
    """The end of what the server said."""
    log.seek(0)
    return "".join(log.readlines()[-LOG_LINES_SHOWN:]).rstrip() or "(nothing)"


def end(process: subprocess.Popen[bytes]) -> None:
    """Makes sure that no server is left behind."""
    if process.poll() is None:
        process.kill()
        process.wait()


def listen(client: hearken.Client, recording: hearken.AudioFile, console: Console) -> Session:
    """Streams one recording and shows the captions while they come."""
    session = Session()

    def spoken() -> Iterator[bytes]:
        session.audio_began_s = time.monotonic()
        yield from recording
        session.audio_ended_s = time.monotonic()

    results = client.stream(
        spoken(),
        sample_rate_hz=recording.sample_rate_hz,
        channels=recording.format.channels,
        encoding=recording.format.encoding,
        word_info=True,
    )
    plain = PlainLines(console, lambda result: [result.text])  # the words come in a table at the end
    with LiveCaptions(console) if console.is_terminal else plain as captions:
        for result in results:
            now_s = time.monotonic()
            captions.show(result)
            if result.is_final:
                session.finals.append(result)
                session.last_final_s = now_s
            elif result.text and session.first_interim_s is None:
                session.first_interim_s = now_s
            if not result.is_final and result.clock is not None:
                session.lags_s.append(result.clock.lag_s)
    return session


def report(session: Session, known_text: str | None, console: Console) -> None:
    """Prints when each word was said, how soon the text was there and, if it is known, how much of it is right."""
    words = session.words
    if words:
        table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
        for row in range(0, len(words), WORDS_A_ROW):
            table.add_row(*(f"{word.text}\n[dim]{word.start_s:.2f} s[/]" for word in words[row : row + WORDS_A_ROW]))
        console.print(table)
    if session.first_interim_s is not None and words:
        after_s = session.first_interim_s - session.audio_began_s - words[0].start_s
        console.print(f"  first text      {after_s:.2f} s after the first word began")
    if session.finals:
        after_s = session.last_final_s - session.audio_ended_s
        console.print(f"  final text      {after_s:.2f} s after the end of the audio")
    if session.lags_s:
        console.print(f"  text behind     {mean(session.lags_s):.2f} s of audio on average, while it was spoken")
    if known_text is not None:
        right, total = words_right(session.text, known_text)
        console.print(f"  words right     {right} of {total}")
        if right == 0:
            raise DemoFailed(f"none of the words was recognized; said was: {known_text!r}")


def words_right(text: str, known_text: str) -> tuple[int, int]:
    """How many of the known words are in the text, in order, and how many there are."""
    known = known_text.split()
    matches = SequenceMatcher(None, text.split(), known, autojunk=False).get_matching_blocks()
    return sum(match.size for match in matches), len(known)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
