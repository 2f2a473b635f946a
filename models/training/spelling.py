"""Learns how words are pronounced from how they are spelled: `python -m models.training.spelling PACKAGE`.

First each letter of the lexicon's words gets its phones (none, one or two), so that the whole lexicon becomes as likely
as possible (Viterbi EM). Then the phones of a letter become rules on its neighbors. What the rules do is told in
`models/decoding/spelling.py`.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from models.decoding.spelling import EDGE, NEIGHBORS, Phones, Rules, SpellingRules, write_rules
from models.errors import DataError
from models.package import LEXICON, SPELLING, write_checksums

log = logging.getLogger(__name__)

LETTERS = EDGE + "'abcdefghijklmnopqrstuvwxyz"
_LETTER_IDS = {letter: number for number, letter in enumerate(LETTERS)}
_ROUNDS = 4
_LEAST_COUNT = 2  # a rule that only one word speaks for is an exception
_SECOND_SHARE = 0.2  # a second choice is kept if so much of what the first has speaks for it
_PRIOR = 0.01

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def learn_rules(lexicon: Sequence[tuple[str, Phones]]) -> dict[str, tuple[Phones, ...]]:
    """Rules from (word, phones), one or more for a word; what cannot be aligned is left out. Raises DataError."""
    phones = sorted({phone for _, own in lexicon for phone in own})
    ids = {phone: number for number, phone in enumerate(phones)}
    groups: dict[tuple[int, int], list[tuple[Ints, Ints]]] = defaultdict(list)
    for word, own in lexicon:
        if word and own and len(own) <= 2 * len(word) and set(word) <= set(LETTERS[1:]):
            letters = np.array([_LETTER_IDS[letter] for letter in word])
            groups[len(word), len(own)].append((letters, np.array([ids[phone] for phone in own])))
    if not groups:
        raise DataError("the lexicon holds no word that can be aligned with its phones")
    batches = [
        (np.stack([word for word, _ in group]), np.stack([own for _, own in group])) for group in groups.values()
    ]
    chunks = _align(batches, len(phones))
    words = [batch for batch, _ in batches]
    return _rules_of(words, chunks, phones)


def _align(batches: Sequence[tuple[Ints, Ints]], count: int) -> list[Ints]:
    """Batches of words [W, L] and phones [W, P] -> the chunk of each letter [W, L]: a number, see `_chunk_phones`."""
    costs = _first_costs(batches, count)
    chunks: list[Ints] = []
    for round_ in range(_ROUNDS):
        chunks = [_cheapest(letters, phones, costs, count) for letters, phones in batches]
        seen = np.full((len(LETTERS), 1 + count + count * count), _PRIOR)
        for (letters, _), own in zip(batches, chunks, strict=True):
            np.add.at(seen, (letters, own), 1)
        costs = -np.log(seen / seen.sum(axis=1, keepdims=True))
        log.info("alignment, round %d", round_ + 1)
    return chunks


def _first_costs(batches: Sequence[tuple[Ints, Ints]], count: int) -> Floats:
    """From the words with as many letters as phones, letter by letter."""
    seen = np.full((len(LETTERS), 1 + count + count * count), _PRIOR)
    seen[:, 0] = 1.0  # a silent letter is as likely as any pair is unlikely
    for letters, phones in batches:
        if letters.shape == phones.shape:
            np.add.at(seen, (letters, 1 + phones), 1)
    return np.asarray(-np.log(seen / seen.sum(axis=1, keepdims=True)))


def _cheapest(letters: Ints, phones: Ints, costs: Floats, count: int) -> Ints:
    """[W, L] and [W, P] -> [W, L] chunks of the cheapest alignment of each word."""
    (size, length), total = letters.shape, phones.shape[1]
    best = np.full((length + 1, total + 1, size), np.inf)
    best[0, 0] = 0.0
    taken = np.zeros((length + 1, total + 1, size), np.int64)
    for at in range(length):
        own = letters[:, at]
        for done in range(total + 1):
            if not np.isfinite(best[at, done]).any():
                continue
            for phone_count in range(min(2, total - done) + 1):
                cost = best[at, done] + costs[own, _chunk(phones[:, done : done + phone_count], count)]
                better = cost < best[at + 1, done + phone_count]
                best[at + 1, done + phone_count][better] = cost[better]
                taken[at + 1, done + phone_count][better] = phone_count
    chunks = np.zeros((size, length), np.int64)
    done_ = np.full(size, total)
    rows = np.arange(size)
    for at in range(length, 0, -1):
        phone_count_ = taken[at, done_, rows]
        first = phones[rows, np.minimum(done_ - phone_count_, total - 1)]
        second = phones[rows, done_ - 1]
        one, two = phone_count_ == 1, phone_count_ == 2
        chunks[one, at - 1] = 1 + first[one]
        chunks[two, at - 1] = 1 + count + first[two] * count + second[two]
        done_ = done_ - phone_count_
    return chunks


def _chunk(phones: Ints, count: int) -> Ints | int:
    """[W, 0 to 2] phones -> their number."""
    if phones.shape[1] == 0:
        return 0
    if phones.shape[1] == 1:
        return np.asarray(1 + phones[:, 0])
    return np.asarray(1 + count + phones[:, 0] * count + phones[:, 1])


def _chunk_phones(chunk: int, phones: Sequence[str]) -> Phones:
    if chunk == 0:
        return ()
    if chunk <= len(phones):
        return (phones[chunk - 1],)
    first, second = divmod(chunk - 1 - len(phones), len(phones))
    return phones[first], phones[second]


def _rules_of(words: Sequence[Ints], chunks: Sequence[Ints], phones: Sequence[str]) -> dict[str, tuple[Phones, ...]]:
    """The rules that say something else than the shorter rules, for contexts from one letter up."""
    contexts, flat_chunks = _contexts(words), np.concatenate([own.ravel() for own in chunks])
    said = np.full(len(flat_chunks), -1)  # what the rules so far say of each letter of the lexicon
    rules: dict[str, tuple[Phones, ...]] = {}
    keys = np.zeros(len(flat_chunks), np.int64)
    for length in range(1, contexts.shape[1] + 1):
        keys = keys * len(LETTERS) + contexts[:, length - 1]
        order = np.lexsort((flat_chunks, keys))
        sorted_keys, sorted_chunks = keys[order], flat_chunks[order]
        is_new = np.append(True, (sorted_keys[1:] != sorted_keys[:-1]) | (sorted_chunks[1:] != sorted_chunks[:-1]))
        starts = np.flatnonzero(is_new)
        counts = np.diff(np.append(starts, len(order)))
        ranking = np.lexsort((-counts, sorted_keys[starts]))
        starts, counts = starts[ranking], counts[ranking]
        is_first = np.append(True, sorted_keys[starts[1:]] != sorted_keys[starts[:-1]])
        firsts = np.flatnonzero(is_first)
        winner = np.zeros(len(flat_chunks), np.int64)  # by group
        for group, first in enumerate(firsts):
            at = starts[first]
            winner[group] = -1
            best = int(sorted_chunks[at])
            if best == said[order[at]] or (length > 1 and counts[first] < _LEAST_COUNT):
                continue
            winner[group] = best
            choices = [_chunk_phones(best, phones)]
            second = first + 1
            has_second = second < len(starts) and not is_first[second]
            if has_second and counts[second] >= max(_LEAST_COUNT, _SECOND_SHARE * counts[first]):
                choices.append(_chunk_phones(int(sorted_chunks[starts[second]]), phones))
            rules["".join(LETTERS[letter] for letter in contexts[order[at], :length])] = tuple(choices)
        group_of = np.cumsum(np.append(True, sorted_keys[1:] != sorted_keys[:-1])) - 1
        new = winner[group_of]
        said[order] = np.where(new >= 0, new, said[order])
    return rules


def _contexts(words: Sequence[Ints]) -> Ints:
    """Batches [W, L] -> [letters, 1 + neighbors], in the order of `models.decoding.spelling.context_of`."""
    reach = max(NEIGHBORS)
    found = []
    for batch in words:
        padded = np.pad(batch, ((0, 0), (reach, reach)))
        length = batch.shape[1]
        columns = [padded[:, reach + place : reach + place + length] for place in (0, *NEIGHBORS)]
        found.append(np.stack(columns, axis=-1).reshape(-1, len(columns)))
    return np.concatenate(found)


def accuracy(rules: Rules, lexicon: Mapping[str, Sequence[Phones]]) -> tuple[float, float]:
    """Shares of words whose first pronunciation, and of which any, is one of the lexicon's."""
    spelling = SpellingRules(rules)
    first = anyone = 0
    for word, own in lexicon.items():
        found = spelling.pronounce(word)
        first += found[:1] != [] and found[0] in own
        anyone += any(phones in own for phones in found)
    return first / len(lexicon), anyone / len(lexicon)


def main(
    package: Annotated[Path, typer.Argument(help="model package; its rules are written anew and it is sealed again")],
    held_out: Annotated[
        int, typer.Option(help="first measure on every n-th word, learning from the others; 0: not")
    ] = 0,
) -> None:
    """Learn a package's spelling rules from its lexicon."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    lines = (package / LEXICON).read_text(encoding="utf-8").splitlines()
    lexicon = [(word, tuple(phones)) for word, *phones in (line.split() for line in lines)]
    if held_out:
        words = list(dict.fromkeys(word for word, _ in lexicon))
        test: dict[str, list[Phones]] = {word: [] for word in words[::held_out]}
        for word, phones in lexicon:
            if word in test:
                test[word].append(phones)
        rules = learn_rules([(word, phones) for word, phones in lexicon if word not in test])
        first, anyone = accuracy(rules, test)
        typer.echo(f"{len(test)} words held out: {100 * first:.1f} % right, {100 * anyone:.1f} % among all readings")
    rules = learn_rules(lexicon)
    write_rules(rules.items(), package / SPELLING)
    write_checksums(package)
    typer.echo(f"{len(rules)} rules, {(package / SPELLING).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    typer.run(main)
