"""Operations of LongRunningRecognize, in memory: what runs, how far it is, and what came out, for a while.

What is recognized, and what callers are told, is left to servicer.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from service.errors import TooManyOperations, UnknownOperation
from service.quotas import RETRY_AFTER_S
from service.rpc.errors import Said
from service.rpc.google_v1.messages import LongRunningRecognizeMetadata, Operation


@dataclass(slots=True)
class Progress:
    """Of one operation; its recognition moves it on. owner: the token's name; None without tokens."""

    name: str
    owner: str | None
    total_bytes: int
    done_bytes: int = 0
    started_s: float = field(default_factory=time.time)
    updated_s: float = field(default_factory=time.time)
    answer: Any = None
    failure: Said | None = None
    task: asyncio.Task[None] | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is an answer or a failure."""
        return self.answer is not None or self.failure is not None

    def move_on(self, new_bytes: int) -> None:
        """So many more bytes of the audio have been recognized."""
        self.done_bytes += new_bytes
        self.updated_s = time.time()


class Operations:
    """Belongs to the event loop. Keeps `most` operations; a new one takes the place of the one that was done first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[str, Progress] = {}

    def start(
        self, progress: Progress, recognize: Callable[[], Awaitable[Any]], told: Callable[[Exception], Said]
    ) -> None:
        """Runs `recognize` in the background. told: what its caller is told about an error of it."""
        self._kept[progress.name] = progress
        progress.task = asyncio.create_task(self._run(progress, recognize, told))

    def make_room(self) -> None:
        """Raises TooManyOperations when there is none for another."""
        if len(self._kept) < self._most:
            return
        done = [progress for progress in self._kept.values() if progress.is_done]
        if not done:
            raise TooManyOperations(self._most, RETRY_AFTER_S)
        del self._kept[min(done, key=lambda progress: progress.updated_s).name]

    def find(self, name: str, owner: str | None) -> Progress:
        """Raises UnknownOperation, also for those of others."""
        progress = self._kept.get(name)
        if progress is None or progress.owner != owner:
            raise UnknownOperation(name)
        return progress

    async def _run(
        self, progress: Progress, recognize: Callable[[], Awaitable[Any]], told: Callable[[Exception], Said]
    ) -> None:
        try:
            progress.answer = await recognize()
        except Exception as error:
            progress.failure = told(error)
        progress.updated_s = time.time()

    async def close(self) -> None:
        """Ends what still runs."""
        tasks = [progress.task for progress in self._kept.values() if progress.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def operation(progress: Progress) -> Any:
    """google.longrunning.Operation: how far it is, and in the end what came out."""
    percent = 100 if progress.is_done else min(99, 100 * progress.done_bytes // max(1, progress.total_bytes))
    message = Operation(name=progress.name, done=progress.is_done)
    message.metadata.Pack(
        LongRunningRecognizeMetadata(
            progress_percent=percent,
            start_time=_timestamp(progress.started_s),
            last_update_time=_timestamp(progress.updated_s),
        )
    )
    if progress.failure is not None:
        code, text = progress.failure
        message.error.CopyFrom(Status(code=code.value[0], message=text))
    elif progress.answer is not None:
        message.response.Pack(progress.answer)
    return message


def _timestamp(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMilliseconds(round(seconds * 1000))
    return stamp
