"""How exact the times of words are: `python -m models.evaluation.borders --data FOLDER`.

Recorded sentences are cut where their speech begins and ends and put one after the other with silences of known length.
So it is known when the first word of each begins and its last word ends; what the recognizer says of those words that
it got right is held against that. Exits with 1 if the median error is above the limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from models.features import SAMPLE_RATE_HZ
from models.package import find_package
from models.recognizer import Recognizer
from models.training.data import Utterance, read_audio, read_corpus
from models.types import AudioFormat, Encoding, RecognitionOptions, Word

_PCM = AudioFormat(Encoding.LINEAR16, SAMPLE_RATE_HZ, 1)
_WINDOW = SAMPLE_RATE_HZ // 100
_ABOVE_ROOM_DB, _BELOW_PEAK_DB = 12.0, 38.0
"""Speech is so much louder than the recording's quietest twentieth, and no quieter than its loudest 10 ms less that."""
_SILENCE_S = (0.5, 1.5)
_SENTENCES = 6  # of one recording
_LIMIT_S = 0.06

_Audio = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence in a recording, and when in it its speech begins and ends."""

    words: tuple[str, ...]
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class BorderErrors:
    """Seconds by which borders were said too late (positive) or too early, of first and of last words."""

    starts: tuple[float, ...]
    ends: tuple[float, ...]


def speech_of(audio: _Audio) -> _Audio:
    """[N] samples without the silence before and after the speech."""
    windows = audio[: len(audio) // _WINDOW * _WINDOW].reshape(-1, _WINDOW).astype(np.float64)
    levels_db = 10 * np.log10((windows**2).mean(axis=1) + 1.0)
    least_db = max(np.percentile(levels_db, 5) + _ABOVE_ROOM_DB, levels_db.max() - _BELOW_PEAK_DB)
    loud = np.flatnonzero(levels_db > least_db)
    return audio[loud[0] * _WINDOW : (loud[-1] + 1) * _WINDOW]


def recordings(utterances: Sequence[Utterance], random: np.random.Generator) -> Iterator[tuple[_Audio, list[Sentence]]]:
    """Sentences in a row with silences between them."""
    for first in range(0, len(utterances), _SENTENCES):
        parts: list[_Audio] = []
        sentences: list[Sentence] = []
        position = 0
        for utterance in utterances[first : first + _SENTENCES]:
            silence = np.zeros(int(random.uniform(*_SILENCE_S) * SAMPLE_RATE_HZ), np.int16)
            speech = speech_of(read_audio(utterance.path))
            start = position + len(silence)
            position = start + len(speech)
            parts += [silence, speech]
            sentences.append(
                Sentence(tuple(utterance.transcript.split()), start / SAMPLE_RATE_HZ, position / SAMPLE_RATE_HZ)
            )
        yield np.concatenate([*parts, np.zeros(SAMPLE_RATE_HZ, np.int16)]), sentences


def border_errors(recognizer: Recognizer, audio: _Audio, sentences: Sequence[Sentence]) -> BorderErrors:
    """Of the sentences whose first or last word was recognized."""
    words = list(_words(recognizer, audio))
    starts, ends = [], []
    for sentence in sentences:
        own = [word for word in words if sentence.start_s <= (word.start_s + word.end_s) / 2 <= sentence.end_s]
        if own and own[0].text == sentence.words[0]:
            starts.append(own[0].start_s - sentence.start_s)
        if own and own[-1].text == sentence.words[-1]:
            ends.append(own[-1].end_s - sentence.end_s)
    return BorderErrors(tuple(starts), tuple(ends))


def _words(recognizer: Recognizer, audio: _Audio) -> Iterator[Word]:
    stream = recognizer.open_stream(_PCM, RecognitionOptions(word_info=True, interim=False))
    stream.accept(audio.tobytes())
    stream.finish()
    for result in recognizer.drain(stream):
        yield from result.alternatives[0].words


def evaluate(
    data: Annotated[Path, typer.Option(help="corpus folder of recorded sentences")],
    model: Annotated[str, typer.Option(help="name or path of the model package")] = "english",
    limit: Annotated[int, typer.Option(help="number of sentences")] = 200,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N")] = "cpu",
) -> None:
    """Measure the times of words against known borders."""
    corpus = read_corpus(data)
    utterances = corpus[:: max(1, len(corpus) // limit)][:limit]
    recognizer = Recognizer.load(find_package(model), device)
    found = [border_errors(recognizer, *pair) for pair in recordings(utterances, np.random.default_rng(1))]
    table = Table(title=f"{model}: word borders in ms, {len(utterances)} sentences")
    for heading in ("border", "measured", "median error", "p90 error", "median shift"):
        table.add_column(heading, justify="right")
    everything: list[float] = []
    for name, errors in (
        ("begin of first words", [e for own in found for e in own.starts]),
        ("end of last words", [e for own in found for e in own.ends]),
    ):
        everything += errors
        table.add_row(name, str(len(errors)), *_figures(errors))
    table.add_row("both", str(len(everything)), *_figures(everything))
    Console().print(table)
    raise typer.Exit(int(float(np.median(np.abs(everything))) > _LIMIT_S))


def _figures(errors_s: Sequence[float]) -> list[str]:
    errors_ms = 1000 * np.array(errors_s)
    sizes = np.abs(errors_ms)
    return [f"{value:.0f}" for value in (np.median(sizes), np.percentile(sizes, 90), np.median(errors_ms))]


if __name__ == "__main__":
    typer.run(evaluate)
