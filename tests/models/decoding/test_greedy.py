"""Greedy decoding merges repeats and drops blanks, over chunk borders too."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from models.decoding.greedy import greedy_ids


def log_probs_of(path: list[int]) -> torch.Tensor:
    return F.one_hot(torch.tensor(path, dtype=torch.long), 5).float()


def test_repeats_merge_unless_a_blank_stands_between_them() -> None:
    assert greedy_ids(log_probs_of([0, 1, 1, 0, 1, 2, 2, 0])) == [(1, 1), (4, 1), (5, 2)]


@given(path=st.lists(st.integers(0, 4), min_size=2, max_size=40), data=st.data())
def test_chunk_by_chunk_gives_the_symbols_of_the_whole(path: list[int], data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(path) - 1))
    first, second = log_probs_of(path[:cut]), log_probs_of(path[cut:])
    symbols = [s for _, s in greedy_ids(first)] + [s for _, s in greedy_ids(second, previous=path[cut - 1])]
    assert symbols == [s for _, s in greedy_ids(log_probs_of(path))]
