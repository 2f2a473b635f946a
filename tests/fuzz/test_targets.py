"""The fuzzing targets, for a moment: seeds, damaged seeds and bytes from nowhere. `make fuzz` takes its time."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, seeds_of

seeds = functools.cache(seeds_of)


@pytest.mark.parametrize("target", TARGETS)
def test_whole_inputs_pass(target: str) -> None:
    for seed in seeds(target):
        TARGETS[target](seed)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=150)
@given(data=st.data())
def test_damage_is_recognized_or_refused(target: str, data: st.DataObject) -> None:
    seed = bytearray(data.draw(st.sampled_from(seeds(target))))
    for where, new in data.draw(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8)):
        seed[int(where * (len(seed) - 1))] = new
    end = data.draw(st.floats(0, 1))
    TARGETS[target](bytes(seed[: 1 + int(end * len(seed))]))


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=150)
@given(data=st.binary(max_size=300))
def test_bytes_from_nowhere_are_recognized_or_refused(target: str, data: bytes) -> None:
    TARGETS[target](data)
