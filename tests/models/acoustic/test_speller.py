"""A speller reads what was heard, and nothing of its neighbors in a batch."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from models.acoustic.speller import Speller, SpellerConfig, padded, steps_of

SURE = 0.97


def heard(symbols: list[int], phones: int = 4) -> torch.Tensor:
    """[outputs, phones] log probabilities of a model that is sure of these symbols."""
    probs = torch.full((len(symbols), phones), (1 - SURE) / (phones - 1))
    probs[torch.arange(len(symbols)), symbols] = SURE
    return probs.log()


def test_silence_is_left_out_and_a_phone_that_lasts_is_one_step() -> None:
    steps = steps_of(heard([0, 0, 1, 1, 2, 0, 2, 3]).unsqueeze(0), torch.tensor([7]))
    assert steps.outputs.tolist() == [2, 4, 6], "the last output is beyond the utterance's end"
    assert steps.features[:, :-1].argmax(dim=1).tolist() == [1, 2, 2]
    silence_before = (steps.features[:, -1] * 3).expm1().round()
    assert silence_before.tolist() == [2, 0, 1]
    assert float(steps.features[:, :-1].min()) >= 0 and float(steps.features[:, :-1].max()) <= 1


def test_nothing_heard_is_no_step() -> None:
    steps = steps_of(heard([0, 0, 0]).unsqueeze(0), torch.tensor([3]))
    assert steps.counts.tolist() == [0]
    log_probs, lengths = Speller(SpellerConfig(4, 7, hidden=8, layers=1)).eval()(steps.padded(), steps.counts)
    assert lengths.tolist() == [0] and log_probs.shape[2] == 7


@given(symbols=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=4))
def test_a_row_is_read_as_it_would_be_alone(symbols: list[list[int]]) -> None:
    torch.manual_seed(1)
    speller = Speller(SpellerConfig(4, 6, hidden=8)).eval()
    lengths = torch.tensor([len(own) for own in symbols])
    together = torch.nn.utils.rnn.pad_sequence([heard(own) for own in symbols], batch_first=True)
    steps = steps_of(together, lengths)
    log_probs, counts = speller(steps.padded(), steps.counts)
    for row, own in enumerate(symbols):
        alone = steps_of(heard(own).unsqueeze(0), torch.tensor([len(own)]))
        expected, count = speller(alone.padded(), alone.counts)
        assert int(counts[row]) == int(count)
        torch.testing.assert_close(log_probs[row, : int(count)], expected[0, : int(count)])


def test_padding_is_zero_and_order_is_kept() -> None:
    rows = padded(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([1, 0, 2]))
    assert rows.squeeze(2).tolist() == [[1, 0], [0, 0], [2, 3]]
