"""The log: text or JSON lines on stderr, written by a thread of its own, so that no caller waits for a disk or a pipe.

What is logged is left to the code that logs. Audio and text never are; secrets are masked where a library names one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import multiprocessing
import queue
import re
import sys
import time
from collections import defaultdict
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

STREAM_ID: ContextVar[str] = ContextVar("stream_id", default="")
"""Of the request that the current task handles."""

_MAX_WAITING_LINES = 10_000
_LINES_PER_S = 50
"""Of one kind: a flood of refusals fills no disk and costs other callers nothing."""

_FLUSH_S = 2.0
"""How long the end of the process waits for a log that nobody reads."""

_OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "stream_id", "taskName"}
_SECRET = re.compile(r"hearken_[\w-]{20,}|(?<=bearer )[^\s'\")]+", re.IGNORECASE)


class Log:
    """The log of a process, from `start` to `close`."""

    def __init__(self, level: str, form: str, out: TextIO | None = None) -> None:
        """form: "text" or "json". out: stderr."""
        self._handler = _Handing(queue.Queue(_MAX_WAITING_LINES))
        self._handler.addFilter(_note_stream)
        self._handler.addFilter(_Sparing(_LINES_PER_S))
        writer = logging.StreamHandler(out or sys.stderr)
        writer.setFormatter(JsonLines() if form == "json" else TextLines())
        self._listener = logging.handlers.QueueListener(self._handler.queue, writer)
        self._level = level.upper()

    def start(self) -> None:
        """From now on everything is logged here."""
        logging.basicConfig(level=self._level, handlers=[self._handler], force=True)
        self._listener.start()

    def close(self) -> None:
        """Writes what waits, for a moment at most."""
        logging.getLogger().removeHandler(self._handler)
        thread, self._listener._thread = self._listener._thread, None  # its own `stop` would wait for ever
        if thread is not None:
            self._handler.hand_over(None)
            thread.join(_FLUSH_S)


class TextLines(logging.Formatter):
    """2026-11-24 12:00:00,000 INFO service.app: gRPC on 127.0.0.1:50051; with several workers: which one"""

    def __init__(self) -> None:
        worker = "%(processName)s " if multiprocessing.parent_process() else ""
        super().__init__(f"%(asctime)s %(levelname)s {worker}%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """One line, more where there is a traceback; without secrets."""
        return _masked(super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, stream, and what the code gave as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Without secrets, and without line breaks that are not escaped."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if multiprocessing.parent_process():
            line["worker"] = record.processName
        if stream_id := getattr(record, "stream_id", ""):
            line["stream"] = stream_id
        # Underscored: what libraries such as Ray put into every record of the process for themselves.
        line |= {k: value for k, value in vars(record).items() if k not in _OWN_ATTRIBUTES and k[0] != "_"}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _masked(json.dumps(line, ensure_ascii=False, default=str))


class _Handing(logging.handlers.QueueHandler):
    """Hands lines to the thread that writes them, and drops those for which there is no room."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record  # of this process: nothing needs to be made fit for another

    def enqueue(self, record: logging.LogRecord) -> None:
        self.hand_over(record)

    def hand_over(self, record: logging.LogRecord | None) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


class _Sparing(logging.Filter):
    """Lets so many lines of one kind through a second; the next one tells how many were left out."""

    def __init__(self, lines_per_s: int) -> None:
        super().__init__()
        self._lines_per_s = lines_per_s
        self._begun_s: dict[str, float] = {}
        self._lines: defaultdict[str, int] = defaultdict(int)

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now_s = f"{record.name} {record.msg}", time.monotonic()
        if now_s - self._begun_s.get(kind, -1.0) >= 1.0:
            left_out = self._lines[kind] - self._lines_per_s
            self._begun_s[kind], self._lines[kind] = now_s, 0
            if left_out > 0:
                record.msg = f"{record.getMessage()} ({left_out} more lines like this were left out)"
                record.args = ()
        self._lines[kind] += 1
        return self._lines[kind] <= self._lines_per_s


def _note_stream(record: logging.LogRecord) -> bool:
    record.stream_id = STREAM_ID.get()
    return True


def _masked(line: str) -> str:
    return _SECRET.sub("***", line)
