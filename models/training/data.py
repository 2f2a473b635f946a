"""Corpora: manifests of utterances and their audio, decoded once and kept memory-mapped.

What is done to the audio on its way into a batch (perturbation, features) is `augment.py`'s and `batches.py`'s job.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from models.errors import DataError
from models.features import SAMPLE_RATE_HZ

log = logging.getLogger(__name__)

MANIFEST_COLUMNS = ("utt_id", "path", "seconds", "speaker", "corpus", "transcript")

Int16Audio = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Utterance:
    """One recording with its text.

    path: absolute path of an audio file that soundfile reads.
    transcript: lowercase a-z, apostrophe and single spaces.
    """

    utt_id: str
    path: Path
    seconds: float
    speaker: str
    corpus: str
    transcript: str


def normalize_transcript(text: str) -> str:
    """Lowercase; every character that is not a-z or an apostrophe becomes a space; spaces are single."""
    return " ".join(re.sub(r"[^a-z' ]+", " ", text.lower()).split())


def read_manifest(folder: Path) -> list[Utterance]:
    """Reads `folder/manifest.tsv` (columns: MANIFEST_COLUMNS; paths relative to the folder).

    Raises DataError when the file is missing or lacks a column.
    """
    manifest = folder / "manifest.tsv"
    if not manifest.is_file():
        raise DataError(f"{manifest} does not exist; a corpus folder needs a manifest.tsv with {MANIFEST_COLUMNS}")
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        missing = set(MANIFEST_COLUMNS) - set(rows.fieldnames or ())
        if missing:
            raise DataError(f"{manifest} lacks the columns {sorted(missing)}")
        return [
            Utterance(
                utt_id=row["utt_id"],
                path=folder / row["path"],
                seconds=float(row["seconds"]),
                speaker=row["speaker"],
                corpus=row["corpus"],
                transcript=normalize_transcript(row["transcript"]),
            )
            for row in rows
        ]


def read_librispeech(folder: Path) -> list[Utterance]:
    """Reads a LibriSpeech-style tree: SPEAKER/CHAPTER/*.trans.txt beside its FLAC files."""
    utterances = []
    for transcripts in sorted(folder.glob("*/*/*.trans.txt")):
        for line in transcripts.read_text(encoding="utf-8").splitlines():
            utt_id, _, text = line.partition(" ")
            path = transcripts.parent / f"{utt_id}.flac"
            utterances.append(
                Utterance(
                    utt_id=utt_id,
                    path=path,
                    seconds=soundfile.info(path).duration,
                    speaker=utt_id.partition("-")[0],
                    corpus=folder.name,
                    transcript=normalize_transcript(text),
                )
            )
    if not utterances:
        raise DataError(
            f"{folder} holds no SPEAKER/CHAPTER/*.trans.txt; is it a LibriSpeech folder such as train-clean-100?"
        )
    return utterances


def read_corpus(folder: Path) -> list[Utterance]:
    """A folder with a manifest.tsv, or a LibriSpeech-style tree."""
    if not folder.is_dir():
        raise DataError(f"the corpus folder {folder} does not exist")
    return read_manifest(folder) if (folder / "manifest.tsv").is_file() else read_librispeech(folder)


class AudioStore:
    """Audio of many utterances: int16 at 16 kHz, mono, one memory-mapped file a corpus.

    Decoding compressed speech costs more than the features; it is done once and the pages are shared by all processes.
    """

    def __init__(self, utterances: Sequence[Int16Audio]) -> None:
        self._utterances = utterances

    def __len__(self) -> int:
        return len(self._utterances)

    def __getitem__(self, index: int) -> Int16Audio:
        """[N] int16 samples of utterance `index`."""
        return self._utterances[index]

    @classmethod
    def joined(cls, stores: Iterable[AudioStore]) -> AudioStore:
        """The utterances of several stores, one after the other."""
        return cls([own for store in stores for own in store._utterances])

    @classmethod
    def open(cls, utterances: Sequence[Utterance], cache: Path, *, jobs: int = 1) -> AudioStore:
        """Opens the store of exactly these utterances under `cache`, decoding them first where it does not exist."""
        names = "\n".join(f"{u.path} {u.path.stat().st_size}" for u in utterances)
        key = hashlib.sha256(names.encode()).hexdigest()[:16]
        samples_path, offsets_path = cache / f"{key}.i16", cache / f"{key}.npy"
        if not offsets_path.exists():
            cache.mkdir(parents=True, exist_ok=True)
            log.info("decoding %d recordings into %s", len(utterances), samples_path)
            lengths = []
            with samples_path.open("wb") as file, ProcessPoolExecutor(jobs) as pool:
                for audio in pool.map(read_audio, (u.path for u in utterances), chunksize=64):
                    file.write(audio.tobytes())
                    lengths.append(len(audio))
            np.save(offsets_path, np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))))
        samples, offsets = np.memmap(samples_path, dtype=np.int16, mode="r"), np.load(offsets_path)
        return cls([samples[start:stop] for start, stop in itertools.pairwise(offsets)])


def read_audio(path: Path) -> Int16Audio:
    """[N] int16 samples of a 16 kHz mono file. Raises DataError for another rate or an unreadable file."""
    try:
        audio, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise DataError(f"{path} cannot be read as audio: {error}") from error
    if rate_hz != SAMPLE_RATE_HZ:
        raise DataError(f"{path} is sampled at {rate_hz} Hz; training audio must be {SAMPLE_RATE_HZ} Hz")
    mono: Int16Audio = audio[:, 0] if audio.shape[1] == 1 else audio.mean(axis=1).astype(np.int16)
    return mono


def select(utterances: Iterable[Utterance], keep: Callable[[Utterance], bool]) -> list[Utterance]:
    """The utterances that `keep` accepts, with the number of dropped ones in the log."""
    everything = list(utterances)
    kept = [u for u in everything if keep(u)]
    log.info("kept %d of %d utterances (%.2f h)", len(kept), len(everything), sum(u.seconds for u in kept) / 3600)
    return kept
