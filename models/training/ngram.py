"""From plain text to the word language model of a model package: `python -m models.training.ngram build --help`.

Has `models/language/` estimate the model and write it as ARPA, and `kenlm_binary.py` make the file that a server maps;
also measures perplexity. How a decoder uses a model is `models/decoding/`'s job.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary

from models.errors import DataError
from models.language.arpa import SPECIAL_WORDS, choose_words, encode, write_arpa
from models.language.kneser_ney import UNKNOWN, count_ngrams, train
from models.training.kenlm_binary import write_binary
from models.training.sentences import read_sentences

log = logging.getLogger(__name__)

MODEL_FILE, ARPA_FILE, WORDS_FILE = "lm.bin", "lm.arpa", "words.txt"


@dataclass(frozen=True, slots=True)
class Perplexity:
    """How well a model predicts a text: e to the mean negative log probability of words and sentence ends."""

    words: int
    unknown_words: int
    sentences: int
    with_unknown: float  # each unknown word counts with the probability of <unk>
    without_unknown: float  # unknown words are left out, though the next word still sees one before it


def measure_perplexity(model: Path, words: Sequence[str], sentences: Iterable[list[str]]) -> Perplexity:
    """Perplexity of a KenLM model (ARPA or binary) with this vocabulary, through the decoder's own scorer."""
    dictionary = Dictionary([*words, SPECIAL_WORDS[UNKNOWN]])
    ids = {word: number for number, word in enumerate(words)}
    language_model = KenLM(str(model), dictionary)
    known: list[float] = []  # log10 probabilities
    unknown: list[float] = []
    count = 0
    for sentence in sentences:
        count += 1
        state = language_model.start(False)
        for word in sentence:
            state, score = language_model.score(state, ids.get(word, len(words)))
            (known if word in ids else unknown).append(score)
        known.append(language_model.finish(state)[1])
    if not count:
        raise DataError("the text holds no sentence")
    return Perplexity(
        words=len(known) + len(unknown) - count,
        unknown_words=len(unknown),
        sentences=count,
        with_unknown=10 ** (-math.fsum(known + unknown) / (len(known) + len(unknown))),
        without_unknown=10 ** (-math.fsum(known) / len(known)),
    )


app = typer.Typer(add_completion=False, help="N-gram language models for the beam search.")


@app.command()
def build(
    text: Annotated[
        list[Path], typer.Option(exists=True, help="Text, one sentence a line; may be given more than once.")
    ],
    output: Annotated[Path, typer.Option(help=f"Folder for {ARPA_FILE}, {MODEL_FILE} and {WORDS_FILE}.")],
    vocabulary: Annotated[int, typer.Option(min=1, help="Number of words, most frequent first.")] = 200_000,
    order: Annotated[int, typer.Option(min=2, max=6, help="Words in the longest n-gram.")] = 4,
    cutoffs: Annotated[str, typer.Option(help="Per order: drop n-grams seen so often or less, as '0 0 1 1'.")] = "",
    threshold: Annotated[float, typer.Option(min=0, help="Drop n-grams that lower the entropy by less (nats).")] = 0.0,
    bits: Annotated[int, typer.Option(min=2, max=25, help="Bits of a stored probability or backoff weight.")] = 8,
) -> None:
    """Estimates a model and writes it as ARPA and as KenLM's quantized trie."""
    started = time.monotonic()
    limits = [int(number) for number in cutoffs.split()] or [0] * order
    if len(limits) != order:
        raise typer.BadParameter(f"--cutoffs needs {order} numbers, one for each order")
    words = choose_words(read_sentences(text), vocabulary)
    tokens = encode(read_sentences(text), words)
    log.info("%d words, %d tokens after %.0f s", len(words), len(tokens), time.monotonic() - started)
    tables = count_ngrams(tokens, len(SPECIAL_WORDS) + len(words), order)
    orders = train(tables, cutoffs=limits, threshold=threshold)
    log.info("estimated after %.0f s", time.monotonic() - started)
    output.mkdir(parents=True, exist_ok=True)
    sizes = write_arpa(output / ARPA_FILE, words, tables, orders)
    (output / WORDS_FILE).write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    log.info("n-grams of order 1 to %d: %s after %.0f s", order, sizes, time.monotonic() - started)
    write_binary(output / ARPA_FILE, output / MODEL_FILE, bits=bits)
    megabytes = (output / MODEL_FILE).stat().st_size / 1e6
    log.info("%s has %.1f MB after %.0f s", output / MODEL_FILE, megabytes, time.monotonic() - started)


@app.command()
def perplexity(
    model: Annotated[Path, typer.Option(exists=True, help="A folder that `build` wrote.")],
    text: Annotated[list[Path], typer.Option(exists=True, help="Texts, or manifests (.tsv).")],
) -> None:
    """Prints a model's perplexity on texts or on the transcripts of manifests."""
    words = (model / WORDS_FILE).read_text(encoding="utf-8").split()
    result = measure_perplexity(model / MODEL_FILE, words, read_sentences(text))
    typer.echo(f"{result.words} words in {result.sentences} sentences, {result.unknown_words} unknown")
    typer.echo(f"unknown words {100 * result.unknown_words / result.words:.2f} %")
    typer.echo(f"perplexity {result.with_unknown:.1f}, without unknown words {result.without_unknown:.1f}")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        app()
    except DataError as error:
        raise SystemExit(f"error: {error}") from None
