"""Speaks sentences with the free speech synthesizers installed here and writes them as a training corpus.

It leaves noise, rooms and masking to `augment`, reading the corpus to `data`, and the synthesizers to `voices`.

    python -m models.training.synthesize --text sentences.txt --output corpus --hours 4 --seed 1
"""

from __future__ import annotations

import csv
import itertools
import logging
import os
import random
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import soundfile
import typer

from models.features import SAMPLE_RATE_HZ
from models.training.data import MANIFEST_COLUMNS
from models.training.voices import INSTALL_HINT, Voice, installed_voices, say

log = logging.getLogger(__name__)

Samples = npt.NDArray[np.float32]

CORPUS_NAME = "synthetic"

WORDS_PER_SENTENCE = range(5, 23)
ROMAN_NUMERAL = re.compile(r"[ivx]{2,}|[clx]+[ivx]+")
SENTENCE = re.compile(r"[a-z']+( [a-z']+)*")
ONE_LETTER_WORDS = frozenset("aio")

PACE = (0.8, 1.1)  # of the voice's own
PITCH = (0.25, 0.75)  # of what espeak-ng offers
SIZE = (0.92, 1.12)  # formants and pitch are multiplied by it, as if the speaker had a shorter vocal tract
SECONDS_PER_WORD = (0.12, 1.2)  # outside it the synthesizer said something else than the text

KEPT_SILENCE_S = 0.3
SILENCE_BELOW_PEAK = 10 ** (-40 / 20)
PEAK = 0.6
BATCH = 24  # utterances; a corpus ends with a whole batch, so it is the same for any number of jobs


@dataclass(frozen=True)
class Utterance:
    """A sentence and how to say it: `pace` and `size` are factors of the voice's own, `pitch` is 0 to 1."""

    utt_id: str
    text: str
    voice: Voice
    pace: float
    size: float
    pitch: float


def is_speakable(sentence: str) -> bool:
    """Whether a lowercase sentence is 5 to 22 plain words which every synthesizer reads as they are spelled."""
    words = sentence.split(" ")
    return len(words) in WORDS_PER_SENTENCE and SENTENCE.fullmatch(sentence) is not None and all(map(_is_plain, words))


def _is_plain(word: str) -> bool:
    """False for initials, abbreviations without a vowel (mr, etc. become other words) and roman numerals."""
    if len(word) == 1:
        return word in ONE_LETTER_WORDS
    return word[0] != "'" and not ROMAN_NUMERAL.fullmatch(word) and any(letter in "aeiouy" for letter in word)


def resample(samples: Samples, ratio: float) -> Samples:
    """[N] -> [round(N * ratio)] samples, band-limited by cutting or padding the whole spectrum."""
    length = round(len(samples) * ratio)
    if length == 0:
        return samples[:0]
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    return (np.fft.irfft(spectrum, length) * (length / len(samples))).astype(np.float32)


def trim(samples: Samples) -> Samples:
    """[N] -> [M] samples at 16 kHz with at most 0.3 s of silence before and after; silence is 40 dB below the peak."""
    loud = np.flatnonzero(np.abs(samples) > SILENCE_BELOW_PEAK * np.abs(samples).max(initial=0.0))
    if len(loud) == 0:
        return samples[:0]
    kept = round(KEPT_SILENCE_S * SAMPLE_RATE_HZ)
    return samples[max(0, loud[0] - kept) : loud[-1] + 1 + kept]


def speak(utterance: Utterance) -> Samples:
    """[N] float32 samples at 16 kHz of one utterance, trimmed, with its peak at 0.6 of full scale."""
    samples, rate_hz = say(utterance.text, utterance.voice, utterance.pace / utterance.size, utterance.pitch)
    samples = trim(resample(samples, SAMPLE_RATE_HZ / (rate_hz * utterance.size)))
    return samples * np.float32(PEAK / np.abs(samples).max(initial=1e-9))


def plan(sentences: Iterable[str], voices: list[Voice], rng: random.Random) -> Iterator[Utterance]:
    """Give each sentence a voice, a pace, a vocal-tract size and a pitch."""
    weights = [voice.weight for voice in voices]
    for number, text in enumerate(sentences):
        voice = rng.choices(voices, weights)[0]
        pace, size, pitch = rng.uniform(*PACE), rng.uniform(*SIZE), rng.uniform(*PITCH)
        yield Utterance(f"{CORPUS_NAME}-{number:06d}", text, voice, pace, size, pitch)


def pick_sentences(text: Path, rng: random.Random) -> Iterator[str]:
    """The speakable lines of a text file in random order, lowercase, each once."""
    lines = sorted(set(text.read_text(encoding="utf-8").lower().splitlines()))
    rng.shuffle(lines)
    return filter(is_speakable, lines)


def write_utterance(utterance: Utterance, output: Path) -> dict[str, str] | None:
    """Speak into `output` and return the manifest row; None where the audio cannot be the sentence."""
    speaker = utterance.voice.speaker
    try:
        samples = speak(utterance)
    except (subprocess.CalledProcessError, soundfile.LibsndfileError) as error:
        log.warning("%s (%s): %s", utterance.utt_id, speaker, error)
        return None
    seconds = len(samples) / SAMPLE_RATE_HZ
    if not SECONDS_PER_WORD[0] <= seconds / len(utterance.text.split()) <= SECONDS_PER_WORD[1]:
        return None
    path = Path(speaker, f"{utterance.utt_id}.flac")
    (output / path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(output / path, samples, SAMPLE_RATE_HZ)
    row = (utterance.utt_id, path.as_posix(), f"{seconds:.2f}", speaker, CORPUS_NAME, utterance.text.upper())
    return dict(zip(MANIFEST_COLUMNS, row, strict=True))


def write_corpus(utterances: Iterator[Utterance], output: Path, hours: float, jobs: int) -> None:
    """Speak utterances until `hours` are written, then leave `output`/manifest.tsv; logs the minutes of each voice."""
    output.mkdir(parents=True, exist_ok=True)
    spoken_s: dict[str, float] = defaultdict(float)
    with (output / "manifest.tsv").open("w", encoding="utf-8", newline="") as file, ThreadPoolExecutor(jobs) as pool:
        writer = csv.DictWriter(file, MANIFEST_COLUMNS, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
        writer.writeheader()
        while sum(spoken_s.values()) < hours * 3600:
            batch = list(itertools.islice(utterances, BATCH))
            if not batch:
                log.warning("the text has too few sentences for %.2f h", hours)
                break
            for row in filter(None, pool.map(lambda utterance: write_utterance(utterance, output), batch)):
                writer.writerow(row)
                spoken_s[row["speaker"]] += float(row["seconds"])
    for speaker, seconds in sorted(spoken_s.items()):
        log.info("%-36s %6.1f min", speaker, seconds / 60)
    log.info("%.2f h in %s", sum(spoken_s.values()) / 3600, output)


def main(
    text: Annotated[Path, typer.Option(help="One sentence a line; lines with anything but words are passed over.")],
    output: Annotated[Path, typer.Option(help="Folder for the FLAC files and manifest.tsv.")],
    hours: Annotated[float, typer.Option(help="How much speech to make.")] = 4.0,
    seed: Annotated[int, typer.Option(help="The same seed, text and voices give the same corpus.")] = 1,
    jobs: Annotated[int, typer.Option(help="Synthesizers at the same time.")] = os.cpu_count() or 1,
) -> None:
    """Make a corpus of synthetic speech from sentences, with the free synthesizers installed here."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    voices = installed_voices()
    if not voices:
        raise typer.BadParameter(f"no speech synthesizer is installed; for example: {INSTALL_HINT}")
    rng = random.Random(seed)
    write_corpus(plan(pick_sentences(text, rng), voices, rng), output, hours, jobs)


if __name__ == "__main__":
    typer.run(main)
