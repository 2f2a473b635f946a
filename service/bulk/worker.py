"""What a worker does: loads the model once, then turns one recording after the other into final results."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from models.errors import HearkenError
from models.types import AudioFormat, RecognitionOptions, Result

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What was said in a recording of this length."""

    recording: Path
    results: tuple[Result, ...]
    audio_s: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no transcript of a recording, in a sentence."""

    recording: Path
    reason: str


Outcome: TypeAlias = Done | Failed
Transcribe: TypeAlias = Callable[[Path], Outcome]


@dataclass(frozen=True, slots=True)
class ModelWorker:
    """How to open a worker. It travels to other processes and machines, where `package` must be the same folder."""

    package: Path
    device: str = "cpu"
    separate_channels: bool = False

    def open(self) -> Transcribe:
        """Loads the model. Raises PackageError and DeviceError."""
        from models.recognizer import Recognizer

        # One thread, and the beam search in it: as many workers as cores keep all of them busy.
        recognizer = Recognizer.load(self.package, self.device, threads=1)
        options = RecognitionOptions(interim=False)

        def transcribe(recording: Path) -> Outcome:
            try:
                stream = recognizer.open_stream(AudioFormat(separate_channels=self.separate_channels), options)
                results: list[Result] = []
                with recording.open("rb") as file:
                    while piece := file.read(stream.piece_bytes):
                        stream.accept(piece)
                        results += recognizer.drain(stream)
                stream.finish()
                results += recognizer.drain(stream)
            except HearkenError as error:
                return Failed(recording, str(error))
            except OSError as error:
                return Failed(recording, error.strerror or str(error))
            except Exception as error:
                log.exception("%s: a defect of this program", recording)
                return Failed(recording, f"a defect of this program: {type(error).__name__}: {error}")
            return Done(recording, tuple(results), stream.received_s)

        return transcribe
