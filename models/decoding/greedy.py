"""Greedy CTC decoding: the best symbol of every output, repeats merged, blanks dropped."""

from __future__ import annotations

from torch import Tensor

from models.vocabulary import BLANK


def greedy_ids(log_probs: Tensor) -> list[tuple[int, int]]:
    """[outputs, V] log probabilities -> pairs (output, id) at which a new symbol begins."""
    emitted, previous = [], BLANK
    for output, symbol in enumerate(log_probs.argmax(dim=-1).tolist()):
        if symbol not in (BLANK, previous):
            emitted.append((output, symbol))
        previous = symbol
    return emitted
