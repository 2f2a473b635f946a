"""Sentences to word ids, and estimated n-grams to an ARPA file."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat
from pathlib import Path

import numpy as np

from models.language.kneser_ney import BEGIN, END, UNKNOWN, Ints, NGrams, Order

SPECIAL_WORDS = ("<unk>", "<s>", "</s>")  # in the order of their ids
WORD = re.compile(r"'*[a-z][a-z']*")
ARPA_ZERO = -99.0  # log10 of a probability of 0


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
