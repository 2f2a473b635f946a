"""How a server runs as a process, or as several: signals, exit codes, the log.

What a server is, is left to service/app.py; options of the command line to service/__main__.py.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, NoReturn

from models.errors import DeviceError, PackageError
from models.garbage import settle
from service.app import Load, Server, load_recognizer
from service.background import in_background
from service.engine import Recognizer
from service.errors import StartError
from service.logs import Log
from service.settings import Settings, load_settings
from service.workers import CANNOT_START, Place, supervise

logger = logging.getLogger(__name__)

_THREAD_SWITCH_S = 0.001
"""How long a thread may keep the others from running Python. The model's thread gives way at each of its many
operations; with Python's own 5 ms it got its turn back so late that a busy event loop tripled the time of a step.
"""

_BROKEN = 3
"""Exit code when recognition has stopped for good: whoever supervises the process starts a new one."""


async def serve(
    settings: Settings,
    load: Load = load_recognizer,
    read_again: Callable[[], Settings] = load_settings,
    report: Callable[[int], None] = lambda metrics_port: None,
) -> int:
    """Runs a server until SIGTERM or SIGINT, or until it breaks, and gives the exit code. SIGHUP reloads the models.

    A second signal ends the process at once. read_again: the settings as they are at a reload. report: is told where
    metrics are served.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    server = Server(settings, load)
    reloads: set[asyncio.Task[None]] = set()

    def on_hangup() -> None:
        try:
            again = read_again()
        except StartError as error:
            logger.error("the models of before serve on: %s", error)
            return
        reload = asyncio.create_task(_settled(server.reload(again)))
        reloads.add(reload)
        reload.add_done_callback(reloads.discard)

    await server.start()
    report(server.metrics_port)
    ends = [asyncio.create_task(event.wait()) for event in (stopping, server.broken)]
    loading = asyncio.create_task(_settled(server.load()))
    loop.add_signal_handler(signal.SIGHUP, on_hangup)
    try:
        await asyncio.wait((loading, *ends), return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        for task in (loading, *ends, *reloads):
            task.cancel()
        await server.stop()
    return _BROKEN if server.broken.is_set() else 0


async def _settled(loading: Awaitable[None]) -> None:
    await loading
    await in_background(settle)


def run(settings: Settings, load: Load = load_recognizer, read_again: Callable[[], Settings] = load_settings) -> int:
    """Runs a server and gives the exit code: 2, with a sentence on stderr, when it cannot start; 3 when it broke."""
    if settings.workers == 1:
        return _run(settings, serve(settings, load, read_again))
    return _run(settings, supervise(settings, partial(_work, settings, load, read_again)))


def _work(
    settings: Settings,
    load: Load,
    read_again: Callable[[], Settings],
    place: Place,
    report: Callable[[int], None],
) -> int:
    """What one of several workers does."""
    own = place.share_of(settings)
    return _run(own, serve(own, partial(_load_in, place, load), lambda: place.share_of(read_again()), report))


def _load_in(place: Place, load: Load, settings: Settings) -> Recognizer[Any]:
    from models.device import device_of_worker

    return load(settings.model_copy(update={"device": device_of_worker(settings.device, place.number)}))


def _run(settings: Settings, serving: Coroutine[Any, Any, int]) -> int:
    sys.setswitchinterval(_THREAD_SWITCH_S)
    log = Log(settings.log_level, settings.log_format)
    log.start()
    try:
        return asyncio.run(serving)
    except (StartError, PackageError, DeviceError) as error:
        log.close()
        sys.stderr.write(f"hearken: {error}\n")
        return CANNOT_START
    finally:
        log.close()


def run_and_exit(
    settings: Settings, load: Load = load_recognizer, read_again: Callable[[], Settings] = load_settings
) -> NoReturn:
    """As `run`; then ends the process, whatever threads and libraries still want to do: all callers are answered."""
    code = run(settings, load, read_again)
    sys.stderr.flush()
    os._exit(code)
