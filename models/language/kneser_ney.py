"""Interpolated modified Kneser-Ney n-gram models (Chen & Goodman 1998) in numpy, with entropy pruning (Stolcke 1998).

Text, words and files are `ngram.py`'s job; here a text is one array of word ids.

An n-gram is a row in the table of its order. It names its first n-1 words (its context) and its last n-1 words (its
suffix) by their rows in the table of order n-1, so every sum over contexts is one `np.bincount`. Rows are sorted by
(context, last word), and row w of order 1 is the word with id w. K below is the number of rows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import DataError

log = logging.getLogger(__name__)

UNKNOWN, BEGIN, END = 0, 1, 2  # word ids; those of the vocabulary's words follow

# Discounts for n-grams counted 1, 2, 3 or more times, where a text is too small or too regular to estimate them.
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
TINY = 1e-9  # what rounding leaves of probability where every word has been seen after a context

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class NGrams:
    """All distinct n-grams of one order, one a row; every array is [K]."""

    context: Ints  # row of the first n-1 words in the table of order n-1 (order 1: 0)
    suffix: Ints  # row of the last n-1 words in that table (order 1: 0)
    word: Ints  # id of the last word
    count: Ints  # times seen in the text
    initial: Flags  # begins with <s>: no word can come before it


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """What a model says about the n-grams of one order."""

    kept: Flags  # [K] the model has an entry for this n-gram; its context and suffix then have one, too
    probability: Floats  # [K] of the last word after the others, also where it comes from backing off
    backoff: Floats  # [rows of order n-1] factor on the next shorter context's probability; 1 where nothing is kept


def count_ngrams(tokens: Ints, vocabulary_size: int, order: int) -> list[NGrams]:
    """Tables of order 1 to `order` from a text [N] of ids, each sentence as BEGIN, words, END.

    No n-gram reaches over the border of a sentence. `vocabulary_size` counts the three special ids, too.
    """
    if not np.any(tokens > END):
        raise DataError("no known word in the text: an n-gram model needs at least one sentence")
    if tokens[0] != BEGIN or tokens[-1] != END:
        raise DataError("every sentence must begin with BEGIN and finish with END")
    nothing = np.zeros(vocabulary_size, np.int32)
    words = np.arange(vocabulary_size, dtype=np.int32)
    counts = np.bincount(tokens, minlength=vocabulary_size).astype(np.int32)
    tables = [NGrams(nothing, nothing, words, counts, words == BEGIN)]
    row_at = tokens.astype(np.int32)  # [N] row of the n-gram that ends at each token, -1 where there is none
    for _ in range(1, order):
        ends = np.flatnonzero((row_at[:-1] >= 0) & (tokens[1:] != BEGIN)) + 1
        if not len(ends):
            raise DataError(f"no sentence of the text is long enough for n-grams of order {order}: lower the order")
        keys = row_at[ends - 1].astype(np.int64) * vocabulary_size + tokens[ends]
        sorting = np.argsort(keys)
        keys = keys[sorting]
        ends = ends[sorting]
        is_first = np.append(True, keys[1:] != keys[:-1])
        del keys, sorting
        example = ends[is_first]  # where each distinct n-gram ends, once
        context = row_at[example - 1]
        count = np.diff(np.append(np.flatnonzero(is_first), len(ends))).astype(np.int32)
        tables.append(NGrams(context, row_at[example], tokens[example], count, tables[-1].initial[context]))
        row_at = np.full(len(tokens), -1, np.int32)
        row_at[ends] = np.cumsum(is_first, dtype=np.int32) - 1
    return tables


def adjusted_counts(tables: Sequence[NGrams], kept: Sequence[Flags]) -> list[Floats]:
    """Per order the counts [K] which its distribution is estimated from.

    The highest order has the text's counts; below, an n-gram counts the distinct words seen before it. Where the longer
    n-gram is pruned its own count stands instead of the 1, because all its occurrences now back off to here (revised
    Kneser-Ney pruning, Siivola, Hirsimäki & Virpioja 2007).
    """
    counts = [tables[-1].count.astype(np.float64)]
    for lower, upper, upper_kept in zip(tables[-2::-1], tables[:0:-1], kept[:0:-1], strict=True):
        continuations = np.bincount(
            upper.suffix, weights=np.where(upper_kept, 1.0, counts[0]), minlength=len(lower.word)
        )
        counts.insert(0, np.where(lower.initial, lower.count, continuations))
    counts[0][BEGIN] = 0.0  # <s> is given, never predicted
    return counts


def discounts(counts: Floats) -> Floats:
    """[4] what to take from an n-gram with count 0, 1, 2, 3 or more; Chen & Goodman 1998, equation 26."""
    n1, n2, n3, n4 = (float(np.count_nonzero(counts == n)) for n in (1, 2, 3, 4))
    if min(n1, n2, n3, n4) > 0:
        y = n1 / (n1 + 2 * n2)
        d1, d2, d3 = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
        if 0 < d1 < 1 and 0 < d2 < 2 and 0 < d3 < 3:
            return np.array((0, d1, d2, d3))
    log.warning("counts of counts %s give no discounts: taking %s", (n1, n2, n3, n4), FALLBACK_DISCOUNTS)
    return np.array((0, *FALLBACK_DISCOUNTS))


def estimate(tables: Sequence[NGrams], kept: Sequence[Flags], discount: Sequence[Floats]) -> list[Order]:
    """The model that keeps these n-grams. The words after any context have probabilities that sum to 1, without <s>."""
    vocabulary_size = len(tables[0].word)
    lower = np.full(vocabulary_size, 1 / (vocabulary_size - 1))
    lower[BEGIN] = 0.0
    contexts = 1
    orders = []
    for table, keep, counts, taken in zip(tables, kept, adjusted_counts(tables, kept), discount, strict=True):
        events = np.bincount(table.context, weights=counts, minlength=contexts)
        own = keep * (counts - taken[np.minimum(counts, 3).astype(np.int8)]) / events[table.context]
        backoff: Floats = 1.0 - np.bincount(table.context, weights=own, minlength=contexts).astype(np.float64)
        below = lower if contexts == 1 else lower[table.suffix]
        lower = own + backoff[table.context] * below
        contexts = len(lower)
        orders.append(Order(keep, lower, backoff))
    return orders


def pruning_loss(table: NGrams, order: Order, shorter_table: NGrams, shorter: Order) -> Floats:
    """[K] how much the relative entropy (nats a token) grows if one n-gram alone is removed; Stolcke 1998.

    A context's probability is its share of the text: what Kneser-Ney's lower orders make of it misleads the pruning
    (Chelba, Brants, Neveitt & Xu 2010).
    """
    context, probability, below = table.context, order.probability, shorter.probability[table.suffix]
    sums = [np.bincount(context, weights=order.kept * p, minlength=len(order.backoff)) for p in (probability, below)]
    unseen, unseen_below = (np.maximum(1.0 - total, TINY)[context] for total in sums)
    new_backoff = np.log((unseen + probability) / (unseen_below + below))
    loss = probability * (np.log(probability / below) - new_backoff)
    loss += unseen * (np.log(order.backoff)[context] - new_backoff)
    text_tokens = shorter_table.count.sum(dtype=np.int64)
    return np.asarray(loss * shorter_table.count[context] / text_tokens, np.float64)


def train(tables: Sequence[NGrams], *, cutoffs: Sequence[int], threshold: float) -> list[Order]:
    """The model of these n-grams, pruned from the longest down.

    cutoffs: per order, n-grams seen this many times or fewer are dropped (0: none; words of order 1 all stay).
    threshold: n-grams with a smaller `pruning_loss` are dropped (0: none).
    N-grams with <unk> are always dropped above order 1: no decoder asks for them.
    """
    kept = [np.ones(len(table.word), np.bool_) for table in tables]
    discount = [discounts(counts) for counts in adjusted_counts(tables, kept)]
    known = tables[0].word != UNKNOWN
    for n, table in enumerate(tables[1:], 1):
        known = known[table.context] & (table.word != UNKNOWN)
        kept[n] = known & (table.count > cutoffs[n])
    for n in range(len(tables) - 1, 0, -1):
        if threshold > 0:
            orders = estimate(tables, kept, discount)
            kept[n] &= pruning_loss(tables[n], orders[n], tables[n - 1], orders[n - 1]) >= threshold
        if n + 1 < len(tables):
            longer = kept[n + 1]
            kept[n][tables[n + 1].context[longer]] = True
            kept[n][tables[n + 1].suffix[longer]] = True
    return estimate(tables, kept, discount)
