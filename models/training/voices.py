"""The free speech synthesizers which may be installed here: what voices they have, and `say`, which speaks a text.

It leaves the choice of sentences and what becomes of the audio to `synthesize`.
"""

from __future__ import annotations

import itertools
import logging
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

log = logging.getLogger(__name__)

INSTALL_HINT = "apt-get install espeak-ng flite festival festvox-us-slt-hts festvox-kallpc16k"
ESPEAK_WORDS_PER_MINUTE = 175  # its pace 1.0; the other voices' own is 175 to 205
ESPEAK_PITCH_MAXIMUM = 99
ESPEAK_ACCENTS = ("en-us", "en-us-nyc", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-029")
ESPEAK_SPEAKERS = ("m1", "m3", "m7", "f1", "f2", "f3", "f4", "f5")
ESPEAK_WEIGHT = 20 / (len(ESPEAK_ACCENTS) * len(ESPEAK_SPEAKERS))


@dataclass(frozen=True)
class Voice:
    """One voice of one synthesizer; `weight` is its share of a corpus, relative to the other voices'."""

    program: str
    name: str
    weight: float

    @property
    def speaker(self) -> str:
        return f"{self.program}-{self.name}"


VOICES = (
    Voice("flite", "slt", 18),
    Voice("flite", "rms", 20),
    Voice("flite", "awb", 17),
    Voice("flite", "kal16", 6),
    Voice("festival", "cmu_us_slt_arctic_hts", 15),
    Voice("festival", "kal_diphone", 4),
    *(
        Voice("espeak-ng", f"{accent}+{speaker}", ESPEAK_WEIGHT)
        for accent, speaker in itertools.product(ESPEAK_ACCENTS, ESPEAK_SPEAKERS)
    ),
)


def installed_voices() -> list[Voice]:
    """The voices of `VOICES` which this machine has; warns of each synthesizer that it lacks."""
    available = {
        "flite": _listing(["flite", "-lv"]),
        "festival": _listing(["festival", "--pipe"], "(print (voice.list))"),
        "espeak-ng": _listing(["espeak-ng", "--voices=en"]),
    }
    for program, names in available.items():
        if not names:
            log.warning("%s is not installed: its voices are left out", program)
    return [voice for voice in VOICES if voice.name.partition("+")[0] in available[voice.program]]


def _listing(command: list[str], script: str = "") -> set[str]:
    """The words that a synthesizer prints when asked for its voices; empty if it is not installed."""
    if shutil.which(command[0]) is None:
        return set()
    printed = subprocess.run(command, input=script, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"[\w-]+", printed))


def say(text: str, voice: Voice, pace: float, pitch: float) -> tuple[npt.NDArray[np.float32], int]:
    """[N] samples and their rate in Hz. `pace` is a factor of the voice's own; `pitch`, 0 to 1, is heeded by espeak-ng.

    Raises subprocess.CalledProcessError or soundfile.LibsndfileError where the synthesizer fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder, "spoken.wav")
        subprocess.run(_command(voice, pace, pitch, wav), input=text, capture_output=True, text=True, check=True)
        samples, rate_hz = soundfile.read(wav, dtype="float32")
    return samples, rate_hz


def _command(voice: Voice, pace: float, pitch: float, wav: Path) -> list[str]:
    """The program and arguments which read the text from standard input and write `wav`."""
    if voice.program == "flite":
        return ["flite", "-voice", voice.name, "--setf", f"duration_stretch={1 / pace:.3f}", "-f", "-", "-o", str(wav)]
    if voice.program == "espeak-ng":
        speed, height = round(ESPEAK_WORDS_PER_MINUTE * pace), round(ESPEAK_PITCH_MAXIMUM * pitch)
        return ["espeak-ng", "-v", voice.name, "-s", str(speed), "-p", str(height), "-w", str(wav), "--stdin"]
    stretch = f"(Parameter.set 'Duration_Stretch {1 / pace:.3f})"
    if voice.name.endswith("_hts"):
        stretch = f'(set! hts_engine_params (append hts_engine_params (list (list "-r" {pace:.3f}))))'
    return ["text2wave", "-eval", f"(voice_{voice.name})", "-eval", stretch, "-o", str(wav)]
