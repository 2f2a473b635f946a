"""Which phone is said when: `python -m models.training.align --help`.

A trained model finds the most likely times of the phones of each training text (forced alignment). A new run learns
them output by output beside CTC (Sak et al. 2015, "Learning acoustic frame labeling for speech recognition with
recurrent neural networks"): there is something to learn at every output, not only where CTC writes a symbol.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from rich.logging import RichHandler
from rich.progress import track

from models.acoustic.lstm import AcousticModel
from models.errors import DataError
from models.features import LogMel
from models.training.batches import BatchMaker, Targets, plan_epoch
from models.training.data import AudioStore, Utterance, read_corpus, select
from models.training.forced_alignment import align_phones
from models.training.loss import FrameHead
from models.training.pronunciations import read_pronunciations
from models.training.recipe import DataConfig
from models.training.start import Start, read_start
from models.vocabulary import BLANK, Vocabulary

log = logging.getLogger(__name__)

SILENCE = BLANK
_LENGTHS = DataConfig()
_BATCH_SECONDS = 80.0
_MAX_REACH_OUTPUTS = 2  # a phone reaches so far beyond the outputs at which CTC wrote it, unless the next one is nearer

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Alignments:
    """Utterance id -> one label for each model output: SILENCE or a phone's position in `phones`, from 1."""

    phones: tuple[str, ...]
    labels: dict[str, Labels]

    def log_prior(self) -> npt.NDArray[np.float32]:
        """[1 + number of phones] logarithm of how frequent each label is."""
        counts = np.bincount(np.concatenate(list(self.labels.values())), minlength=1 + len(self.phones)) + 1
        prior: npt.NDArray[np.float32] = np.log(counts / counts.sum()).astype(np.float32)
        return prior

    def write(self, path: Path) -> None:
        """Writes a NumPy archive without pickled objects."""
        ids = list(self.labels)
        lengths = np.array([len(self.labels[i]) for i in ids])
        joined = np.concatenate([self.labels[i] for i in ids])
        with path.open("wb") as file:
            np.savez_compressed(file, phones=np.array(self.phones), ids=np.array(ids), lengths=lengths, labels=joined)

    @classmethod
    def read(cls, path: Path) -> Alignments:
        """The inverse of `write`. Raises DataError for a file that is none."""
        try:
            with np.load(path, allow_pickle=False) as archive:
                parts = np.split(archive["labels"], np.cumsum(archive["lengths"])[:-1])
                ids = archive["ids"].tolist()
                return cls(tuple(archive["phones"].tolist()), dict(zip(ids, parts, strict=True)))
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"{path} is not a file of alignments (models.training.align): {error}") from error


def spread(path: Labels, max_reach: int = _MAX_REACH_OUTPUTS) -> Labels:
    """A CTC path, phones at single outputs with blanks between, -> a label for every output.

    Each phone reaches to the middle of the gap to its neighbor, at most `max_reach` outputs; beyond that is silence.
    """
    labels = path.copy()
    spoken = np.flatnonzero(path != BLANK)
    if not len(spoken):
        return labels
    outputs = np.arange(len(path))
    right = np.searchsorted(spoken, outputs).clip(max=len(spoken) - 1)
    left = (right - 1).clip(min=0)
    nearer = np.where(np.abs(outputs - spoken[left]) < np.abs(spoken[right] - outputs), left, right)
    near = np.abs(outputs - spoken[nearer]) <= max_reach
    labels[near] = path[spoken[nearer[near]]]
    return labels


class Aligner:
    """A trained model's view of when each phone is said."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._model = AcousticModel(start.acoustic)
        self._model.load_state_dict(start.weights)
        self._model.eval()
        self._head: FrameHead | None = None
        if start.frame_head:
            self._head = FrameHead(start.acoustic)
            self._head.load_state_dict(start.frame_head)

    @torch.inference_mode()
    def align(self, utterances: list[Utterance], store: AudioStore, pronunciations: Path) -> Alignments:
        """Labels of all utterances whose phones fit into their audio.

        A model that has learned frame labels says itself where there is silence; another one's CTC path is spread.
        """
        start = self._start
        targets = Targets(Vocabulary(start.units), read_pronunciations(pronunciations), start.phones)
        per_step = start.acoustic.outputs_per_step
        maker = BatchMaker(utterances, store, targets, LogMel(start.features), outputs_per_step=per_step)
        plan = plan_epoch([u.seconds for u in utterances], _BATCH_SECONDS, seed=0)
        labels: dict[str, Labels] = {}
        for indices in track(plan, description="aligning"):
            batch = maker.make(indices)
            x, lengths = self._model.encode(batch.frames, batch.frame_lengths)
            log_probs = self._head(x) if self._head else self._model.emissions(x, lengths).phones
            wanted = torch.split(batch.phones, batch.phone_lengths.tolist())
            outputs = (lengths * per_step).tolist()
            for index, row, length, phones in zip(indices, log_probs, outputs, wanted, strict=True):
                path = align_phones(row[:length].contiguous(), phones)
                if path is not None:
                    found = path.numpy().astype(np.uint8)
                    labels[utterances[index].utt_id] = found if self._head else spread(found)
        log.info("aligned %d of %d utterances", len(labels), len(utterances))
        return Alignments(start.phones, labels)


def main(
    model: Annotated[Path, typer.Option(help="run or model package that aligns")],
    corpus: Annotated[list[Path], typer.Option(help="corpus folder; may be given more than once")],
    pronunciations: Annotated[Path, typer.Option(help="pronunciations of the words of the corpora")],
    output: Annotated[Path, typer.Option(help="file to write")],
    cache: Annotated[Path, typer.Option(help="folder for decoded audio")] = Path("runs/cache"),
    min_seconds: Annotated[float, typer.Option(help="shorter utterances are left out")] = _LENGTHS.min_seconds,
    max_seconds: Annotated[float, typer.Option(help="longer utterances are left out")] = _LENGTHS.max_seconds,
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
) -> None:
    """Align the phones of corpora with a trained model."""
    torch.set_num_threads(threads)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[RichHandler(show_path=False)])
    utterances = select(
        (u for folder in corpus for u in read_corpus(folder)),
        lambda u: min_seconds <= u.seconds <= max_seconds and bool(u.transcript),
    )
    store = AudioStore.open(utterances, cache, jobs=threads)
    Aligner(read_start(model)).align(utterances, store, pronunciations).write(output)


if __name__ == "__main__":
    typer.run(main)
