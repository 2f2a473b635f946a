"""Workers that are processes of this machine. It is known which recording killed one, so only that one is lost."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

from models.errors import HearkenError
from service.bulk.crew import Lost
from service.bulk.worker import ModelWorker, Outcome
from service.errors import StartError

_SPAWN = multiprocessing.get_context("spawn")  # forking a process with threads may deadlock
_READY = "ready"


class Processes:
    """See Crew."""

    def __init__(self, worker: ModelWorker, count: int) -> None:
        self._worker = worker
        self._members = [_Member(worker) for _ in range(count)]

    @property
    def idle(self) -> int:
        """See Crew."""
        return sum(member.is_idle for member in self._members)

    @property
    def busy(self) -> int:
        """See Crew."""
        return sum(member.recording is not None for member in self._members)

    def give(self, recording: Path) -> None:
        """See Crew."""
        next(member for member in self._members if member.is_idle).give(recording)

    def wait(self) -> Sequence[Outcome | Lost]:
        """See Crew."""
        changed = wait([member.pipe for member in self._members])
        outcomes: list[Outcome | Lost] = []
        for number, member in enumerate(self._members):
            if member.pipe not in changed:
                continue
            outcome = member.hear()
            if outcome is not None:
                outcomes.append(outcome)
            if not member.is_alive:
                self._members[number] = _Member(self._worker)
        return outcomes

    def close(self) -> None:
        """See Crew."""
        for member in self._members:
            member.end()


class _Member:
    """One process. recording: what it works on."""

    def __init__(self, worker: ModelWorker) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_work, args=(worker, theirs), daemon=True)
        self._process.start()
        theirs.close()  # so that its death ends what is read here
        self.recording: Path | None = None
        self.is_ready, self.is_alive = False, True

    @property
    def is_idle(self) -> bool:
        return self.is_ready and self.recording is None

    def give(self, recording: Path) -> None:
        self.recording = recording
        self.pipe.send(recording)

    def hear(self) -> Outcome | Lost | None:
        """Takes its message, or its death. Raises StartError."""
        try:
            message = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            return self._lost()
        if message == _READY:
            self.is_ready = True
            return None
        if not self.is_ready:
            raise StartError(message)
        self.recording = None
        outcome: Outcome = message
        return outcome

    def end(self) -> None:
        self._process.terminate()
        self._process.join()
        self.pipe.close()

    def _lost(self) -> Lost | None:
        self.end()
        self.is_alive = False
        how = f"its process ended with exit code {self._process.exitcode}"
        if self._process.exitcode == -signal.SIGKILL:
            how = "its process was killed; if the memory ran out, use fewer workers"
        if not self.is_ready:
            raise StartError(f"a worker could not load the model: {how}")
        return Lost(self.recording, how) if self.recording is not None else None


def _work(worker: ModelWorker, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which ends its processes itself
    try:
        transcribe = worker.open()
    except HearkenError as error:
        pipe.send(str(error))
        return
    pipe.send(_READY)
    while True:
        try:
            recording = pipe.recv()
        except EOFError:
            return  # the command has ended
        pipe.send(transcribe(recording))
