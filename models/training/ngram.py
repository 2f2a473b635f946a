"""From plain text to the word language model of a model package: `python -m models.training.ngram build --help`.

Counts words, has `kneser_ney.py` estimate the model, writes it as ARPA and has `kenlm_binary.py` make the file that a
server maps; also measures perplexity. How a decoder uses a model is `models/decoding/`'s job.
"""

from __future__ import annotations

import logging
import math
import re
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from flashlight.lib.text.decoder.kenlm import KenLM
from flashlight.lib.text.dictionary import Dictionary

from models.errors import DataError
from models.training.kenlm_binary import write_binary
from models.training.kneser_ney import BEGIN, END, UNKNOWN, Ints, NGrams, Order, count_ngrams, train

log = logging.getLogger(__name__)

SPECIAL_WORDS = ("<unk>", "<s>", "</s>")  # in the order of their ids
WORD = re.compile(r"'*[a-z][a-z']*")
ARPA_ZERO = -99.0  # log10 of a probability of 0
MODEL_FILE, ARPA_FILE, WORDS_FILE = "lm.bin", "lm.arpa", "words.txt"


def read_sentences(paths: Iterable[Path]) -> Iterator[list[str]]:
    """Sentences as lowercase words: a text's lines, or the last column of a manifest (.tsv, with a header line)."""
    for path in paths:
        is_manifest = path.suffix == ".tsv"
        with path.open(encoding="utf-8") as lines:
            if is_manifest:
                next(lines, None)
            for line in lines:
                words = (line.rpartition("\t")[2] if is_manifest else line).lower().split()
                if words:
                    yield words


def choose_words(sentences: Iterable[list[str]], size: int) -> list[str]:
    """The `size` most frequent words of a-z and apostrophe, with a letter; most frequent first, ties by alphabet."""
    counts: Counter[str] = Counter()
    for words in sentences:
        counts.update(words)
    ranking = sorted((-count, word) for word, count in counts.items() if WORD.fullmatch(word))
    return [word for _, word in ranking[:size]]


def encode(sentences: Iterable[list[str]], words: Sequence[str]) -> Ints:
    """[N] the text as ids, each sentence as BEGIN, words, END; words outside the vocabulary are UNKNOWN."""
    ids = {word: number for number, word in enumerate(words, len(SPECIAL_WORDS))}
    tokens = array("i")
    for sentence in sentences:
        tokens.append(BEGIN)
        tokens.extend(map(ids.get, sentence, repeat(UNKNOWN)))
        tokens.append(END)
    return np.frombuffer(tokens, np.int32) if tokens else np.zeros(0, np.int32)


def write_arpa(path: Path, words: Sequence[str], tables: Sequence[NGrams], orders: Sequence[Order]) -> list[int]:
    """Writes the kept n-grams as an ARPA file and returns how many there are of each order."""
    sizes = [int(np.count_nonzero(order.kept)) for order in orders]
    vocabulary = [*SPECIAL_WORDS, *words]
    texts: list[str] = [""]
    rows = np.zeros(1, np.int64)  # of the context in `texts`
    with path.open("w", encoding="utf-8") as file:
        file.write("\\data\\\n" + "".join(f"ngram {n}={size}\n" for n, size in enumerate(sizes, 1)))
        for n, (table, order) in enumerate(zip(tables, orders, strict=True), 1):
            with np.errstate(divide="ignore"):
                scores = np.maximum(np.log10(order.probability[order.kept]), ARPA_ZERO).tolist()
            contexts = rows[table.context[order.kept]].tolist()
            last = table.word[order.kept].tolist()
            texts = [f"{texts[c]} {vocabulary[w]}" for c, w in zip(contexts, last, strict=True)]
            file.write(f"\n\\{n}-grams:\n")
            if n < len(tables):
                backoffs = np.log10(orders[n].backoff[order.kept]).tolist()
                lines = (f"{p:.5f}\t{t[1:]}\t{b:.5f}\n" for p, t, b in zip(scores, texts, backoffs, strict=True))
            else:
                lines = (f"{p:.5f}\t{t[1:]}\n" for p, t in zip(scores, texts, strict=True))
            file.writelines(lines)
            rows = np.cumsum(order.kept) - 1
        file.write("\n\\end\\\n")
    return sizes


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
