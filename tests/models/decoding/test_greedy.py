"""Greedy decoding merges repeats and drops blanks."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from models.decoding.greedy import greedy_ids


def test_repeats_merge_unless_a_blank_stands_between_them() -> None:
    path = torch.tensor([0, 1, 1, 0, 1, 2, 2, 0])
    assert greedy_ids(F.one_hot(path, 5).float()) == [(1, 1), (4, 1), (5, 2)]
