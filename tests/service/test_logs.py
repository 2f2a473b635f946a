"""The log: its forms, what it leaves out, and that it costs nobody anything when it cannot be written."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest

from service import logs
from service.logs import STREAM_ID, Log

logger = logging.getLogger("test")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The root logger as pytest made it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    # Log takes the handlers away and closes them; those of pytest must live.
    root.handlers.clear()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(form: str, *lines: str, level: str = "info") -> list[str]:
    out = io.StringIO()
    log = Log(level, form, out)
    log.start()
    for line in lines:
        logger.info(line)
    log.close()
    return out.getvalue().splitlines()


def test_a_line_of_json_has_its_stream_its_fields_and_its_traceback() -> None:
    out = io.StringIO()
    log = Log("info", "json", out)
    log.start()
    token = STREAM_ID.set("abc")
    logger.info("ended after %d s\nof audio", 3, extra={"audio_s": 3.0})
    STREAM_ID.reset(token)
    try:
        raise ValueError("no good")
    except ValueError:
        logger.exception("failed")
    log.close()
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "info",
        "logger": "test",
        "message": "ended after 3 s\nof audio",
        "stream": "abc",
        "audio_s": 3.0,
    }
    assert second["level"] == "error" and "stream" not in second
    assert second["exception"].endswith("ValueError: no good")


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_are_masked(form: str) -> None:
    secret = "hearken_" + "x" * 43
    (line,) = written(form, f"metadata authorization: Bearer {secret}, x-goog-api-key {secret} Bearer other")
    assert "xxx" not in line and "other" not in line and "authorization: Bearer ***" in line


def test_of_a_flood_so_many_lines_a_second_are_written_and_the_others_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr(logs.time, "monotonic", lambda: now_s)
    out = io.StringIO()
    log = Log("info", "text", out)
    log.start()
    for number in range(80):
        logger.info("refused %d", number)
    logger.info("something else")
    now_s = 1.0
    logger.info("refused %d", 80)
    log.close()
    lines = out.getvalue().splitlines()
    assert len(lines) == 52
    assert lines[50].endswith("something else")
    assert lines[51].endswith("refused 80 (30 more lines like this were left out)")


class _Stuck(io.StringIO):
    """A pipe that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.freed = threading.Event()

    def write(self, text: str) -> int:
        self.freed.wait()
        return super().write(text)


def test_whoever_logs_does_not_wait_for_a_pipe_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_FLUSH_S", 0.05)
    monkeypatch.setattr(logs, "_MAX_WAITING_LINES", 100)
    out = _Stuck()
    log = Log("info", "text", out)
    log.start()
    for number in range(1000):
        logger.info(f"line {number}")
    log.close()
    out.freed.set()


class _Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log("info", "text", _Full())
    log.start()
    logger.info("one")
    logger.info("two")
    log.close()
    assert "No space left" in capsys.readouterr().err
