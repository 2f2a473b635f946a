"""The microphone, through the extra `mic` (sounddevice), which is loaded only when a microphone is opened."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from importlib import import_module
from types import TracebackType
from typing import Any, Self

from hearken._audio import AudioFormat
from hearken._errors import AudioError, MissingExtra
from hearken._options import Encoding

logger = logging.getLogger(__name__)


class Microphone:
    """Live audio from this machine, as a source for `stream`.

    with Microphone() as microphone:
        for result in client.stream(microphone): ...

    sample_rate_hz: 8000 to 48000; devices that cannot do 16000 can nearly all do 48000, which the server resamples.
    device: name (or part of it) or number of the input device; None for the system's default.
    chunk_ms: length of a chunk in milliseconds.

    Recording begins with the iteration. `stop()`, from any thread or signal handler, ends it after the current chunk;
    the server then sends the remaining final results.
    """

    def __init__(self, *, sample_rate_hz: int = 16_000, device: str | int | None = None, chunk_ms: int = 100) -> None:
        self._chunk_frames = sample_rate_hz * chunk_ms // 1000
        self._stopped = threading.Event()
        self._reading = threading.Lock()  # PortAudio does not survive a close during a read
        self.format = AudioFormat(Encoding.LINEAR16, sample_rate_hz, 1)
        try:
            sounddevice = import_module("sounddevice")
        except (ImportError, OSError) as error:  # OSError: the package is there, the PortAudio library is not
            raise MissingExtra(
                f"the microphone needs sounddevice and PortAudio: `pip install 'hearken[mic]'` ({error})"
            ) from None
        self._failure: type[Exception] = sounddevice.PortAudioError
        try:
            self._input: Any = sounddevice.RawInputStream(
                samplerate=sample_rate_hz, channels=1, dtype="int16", device=device, blocksize=self._chunk_frames
            )
        except (self._failure, ValueError) as error:
            raise AudioError(f"no microphone can be opened: {error}") from None

    def stop(self) -> None:
        """Ends the iteration after the current chunk."""
        self._stopped.set()

    def close(self) -> None:
        """Stops and gives the device back."""
        self.stop()
        with self._reading:
            self._input.close()

    def __iter__(self) -> Iterator[bytes]:
        try:
            while True:
                with self._reading:
                    if self._stopped.is_set():
                        return
                    if self._input.stopped:
                        self._input.start()
                    audio, overflowed = self._input.read(self._chunk_frames)
                if overflowed:
                    logger.warning("the server takes audio slower than it is spoken; some was lost")
                yield bytes(audio)
        except self._failure as error:
            raise AudioError(f"the microphone failed: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
