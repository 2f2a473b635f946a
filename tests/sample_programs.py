"""Runs the programs of clients/samples as users do, if need be with a microphone that gives a recording."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
SAMPLES = REPOSITORY / "clients" / "samples"
PYTHONPATH = str(REPOSITORY / "clients" / "python")
PATIENCE_S = 60

# Gives the recording that SOUND names, somewhat faster than it was spoken, and then as good as Ctrl-C.
SOUNDDEVICE = """
import os, signal, time, wave
class PortAudioError(Exception): pass
class RawInputStream:
    stopped = True
    def __init__(self, **settings): self.sound = wave.open(os.environ["SOUND"])
    def start(self): self.stopped = False
    def read(self, frames):
        time.sleep(frames / 16000 / 20)
        audio = self.sound.readframes(frames)
        if not audio: os.kill(os.getpid(), signal.SIGINT)
        return audio, False
    def close(self): pass
"""


def sample(
    name: str, *arguments: str | Path, path: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SAMPLES / name, *arguments],
        env=os.environ | {"PYTHONPATH": f"{path}{os.pathsep}{PYTHONPATH}" if path else PYTHONPATH} | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
