"""What a model hears where nobody speaks: `python -m models.evaluation.nonspeech`.

Streams minutes of silence, noise and music-like tones through the recognizer as a caller would and counts the words.
Exits with 1 if there are any.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from models.features import SAMPLE_RATE_HZ
from models.package import find_package
from models.recognizer import Recognizer
from models.types import AudioFormat, Encoding, RecognitionOptions, Result

_PCM = AudioFormat(Encoding.LINEAR16, SAMPLE_RATE_HZ, 1)
_SCALE_HZ = 220.0 * 2 ** (np.array([0, 2, 3, 5, 7, 8, 10, 12, 14, 15, 17, 19, 20, 22, 24]) / 12)  # A minor, two octaves
_NOTE_S = 0.25

_Audio = npt.NDArray[np.float64]


def _silence(seconds: float, _: np.random.Generator) -> _Audio:
    return np.zeros(int(seconds * SAMPLE_RATE_HZ))


def _white_noise(seconds: float, random: np.random.Generator) -> _Audio:
    noise: _Audio = 0.05 * random.standard_normal(int(seconds * SAMPLE_RATE_HZ))
    return noise


def _sweeping_tone(seconds: float, _: np.random.Generator) -> _Audio:
    """One sine between 150 and 1,350 Hz, up and down every four seconds."""
    times = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    pitch_hz = 750 - 600 * np.cos(2 * np.pi * times / 4)
    tone: _Audio = 0.3 * np.sin(2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ)
    return tone


def _melody(seconds: float, random: np.random.Generator) -> _Audio:
    """Plucked notes of a minor scale over a held bass note, with overtones."""
    times = np.arange(int(_NOTE_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    notes = []
    for pitch_hz in random.choice(_SCALE_HZ, int(seconds / _NOTE_S)):
        pluck = sum(np.sin(2 * np.pi * pitch_hz * n * times) / n**1.5 for n in range(1, 6)) * np.exp(-6 * times)
        notes.append(0.2 * pluck + 0.1 * np.sin(2 * np.pi * 110 * times))
    melody: _Audio = np.concatenate(notes)
    return melody


_SOUNDS = {"silence": _silence, "white noise": _white_noise, "sweeping tone": _sweeping_tone, "melody": _melody}


def _pcm(sound: _Audio) -> Iterator[bytes]:
    """16-bit samples in pieces of a second."""
    samples = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
    for start in range(0, len(samples), SAMPLE_RATE_HZ):
        yield samples[start : start + SAMPLE_RATE_HZ].tobytes()


def _results(recognizer: Recognizer, sound: _Audio) -> Iterator[Result]:
    """Interim and final results of one stream."""
    stream = recognizer.open_stream(_PCM, RecognitionOptions())
    for data in _pcm(sound):
        stream.accept(data)
        yield from recognizer.drain(stream)
    stream.finish()
    yield from recognizer.drain(stream)


def evaluate(
    model: Annotated[str, typer.Option(help="name or path of the model package")] = "english",
    minutes: Annotated[float, typer.Option(help="of each sound")] = 10.0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N")] = "cpu",
) -> None:
    """Count the words that a model hears in silence, noise and tones."""
    recognizer = Recognizer.load(find_package(model), device)
    table = Table(title=f"{model}: {minutes:g} minutes of each")
    for heading in ("sound", "words of final results", "longest interim text", "for example"):
        table.add_column(heading)
    heard = 0
    for name, make in _SOUNDS.items():
        finals, longest = [], ""
        for result in _results(recognizer, make(60 * minutes, np.random.default_rng(1))):
            text = result.alternatives[0].transcript
            if result.is_final:
                finals.append(text)
            else:
                longest = max(longest, text, key=len)
        words = " ".join(finals).split()
        heard += len(words) + len(longest.split())
        table.add_row(name, str(len(words)), longest[:40], " ".join(words[:8]))
    Console().print(table)
    raise typer.Exit(1 if heard else 0)


if __name__ == "__main__":
    typer.run(evaluate)
