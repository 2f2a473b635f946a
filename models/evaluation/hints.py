"""What phrase hints do for rare words, and to everybody else: `python -m models.evaluation.hints --data FOLDER`.

Rare words are the corpus's own words that stand late in the model's lexicon, or not at all: mostly names. All of them
are given as hints together, to the utterances that hold one (does it come out?) and to the others (what harm?).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from models.acoustic.state import STEP_S
from models.decoding.beam import BeamDecoder
from models.decoding.phrases import Phrase, phrases_of
from models.evaluation.emissions import chunked_phone_log_probs, phone_log_probs
from models.evaluation.wer import error_rates
from models.package import LEXICON, DecodingConfig, Package, find_package, open_package
from models.training.data import Utterance, read_corpus
from models.types import DEFAULT_LATENCY_MS, PhraseHint

_LEAST_LETTERS = 4


def rare_words(package: Package, utterances: Sequence[Utterance], *, rank: int, most: int) -> list[str]:
    """Words of the corpus behind `rank` in the lexicon or outside of it, most frequent in the corpus first."""
    lines = package.path(LEXICON).read_text(encoding="utf-8").splitlines()
    common = {line.split(" ", 1)[0] for line in lines[:rank]}
    counts = Counter(word for utterance in utterances for word in utterance.transcript.split())
    found = [word for word in counts if word not in common and len(word) >= _LEAST_LETTERS]
    return sorted(found, key=lambda word: (-counts[word], word))[:most]


def recall(words: set[str], references: Sequence[str], texts: Sequence[str]) -> float:
    """Percent of these words' occurrences that are in the texts."""
    said = found = 0
    for reference, text in zip(references, texts, strict=True):
        wanted = Counter(word for word in reference.split() if word in words)
        said += wanted.total()
        found += (wanted & Counter(text.split())).total()
    return 100 * found / said if said else 0.0


def evaluate_hints(
    data: Annotated[Path, typer.Option(help="corpus folder: manifest.tsv, or a LibriSpeech-style tree")],
    model: Annotated[str, typer.Option(help="name or path of the model package")] = "english",
    boosts: Annotated[str, typer.Option(help="boosts to try")] = "2 4 6 8",
    rank: Annotated[int, typer.Option(help="words of this rank in the lexicon, and later ones, are rare")] = 20_000,
    most: Annotated[int, typer.Option(help="hints, at most")] = 200,
    others: Annotated[int, typer.Option(help="utterances without a rare word, about this many")] = 150,
    limit: Annotated[int, typer.Option(help="take about this many utterances from all over the corpus; 0: all")] = 0,
) -> None:
    """Print recall of the hinted words, WER of utterances with and without them, and the time of final searches.

    A search with hints is wider by their bonus. So there is a row for no hints in as wide a search: what differs from
    that is what the hints do.
    """
    torch.set_num_threads(1)
    package, utterances = open_package(find_package(model)), read_corpus(data)
    utterances = utterances[:: max(1, len(utterances) // limit)] if limit else utterances
    words = rare_words(package, utterances, rank=rank, most=most)
    chosen = set(words)
    with_words = [own for own in utterances if chosen & set(own.transcript.split())]
    without = [own for own in utterances if not chosen & set(own.transcript.split())]
    without = without[:: max(1, len(without) // others)]
    groups = [(own, phone_log_probs(package, own)) for own in (with_words, without)]
    chunked = chunked_phone_log_probs(package, with_words, package.config.latencies[DEFAULT_LATENCY_MS])
    output_s = STEP_S / package.config.acoustic.outputs_per_step
    decoder = BeamDecoder(package)
    table = Table(
        title=f"{len(words)} hints; {len(with_words)} utterances of {data.name} with one, {len(without)} without"
    )
    for heading in ("boost", "recall %", "interim recall %", "WER % with", "WER % without", "search s"):
        table.add_column(heading, justify="right")
    tuning = package.config.decoding
    tried = [float(boost) for boost in boosts.split()]
    wide = replace(tuning, beam_threshold=tuning.beam_threshold + max(tried))
    settings = [
        ("none", 0.0, tuning),
        ("none, as wide", 0.0, wide),
        *((f"{boost:g}", boost, tuning) for boost in tried),
    ]
    for name, boost, own_tuning in settings:
        hints = phrases_of([PhraseHint(word, boost) for word in words]) if boost else ()
        began_s = time.process_time()
        texts = [_texts(decoder, log_probs, hints, own_tuning) for _, log_probs in groups]
        search_s = time.process_time() - began_s
        interim = [decoder.interim(output_s=output_s, hints=hints).accept(own).text for own in chunked]
        references = [[utterance.transcript for utterance in own] for own, _ in groups]
        rates = [error_rates(spoken, found).wer for spoken, found in zip(references, texts, strict=True)]
        recalls = (recall(chosen, references[0], found) for found in (texts[0], interim))
        row = (*recalls, *rates, search_s)
        table.add_row(name, *(f"{value:.2f}" for value in row))
    Console().print(table)


def _texts(
    decoder: BeamDecoder, log_probs: Sequence[Tensor], hints: tuple[Phrase, ...], tuning: DecodingConfig
) -> list[str]:
    return [
        " ".join(own.text for own in decoder.decode(emissions, hints=hints, tuning=tuning)) for emissions in log_probs
    ]


if __name__ == "__main__":
    typer.run(evaluate_hints)
