"""From phones heard to words written, without lexicon or language model: a network that has learned how English spells.

It reads the acoustic model's phone probabilities where something was heard, both ways along the utterance, and writes
word pieces by CTC. Speech alone cannot teach it to spell, text can: `training/train_speller.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.acoustic.recurrent import BidirectionalLayer
from models.vocabulary import BLANK

_SILENT = 0.9  # outputs whose blank is more probable say nothing
_LEAST_LOG_PROB = 8.0  # below minus this, probabilities all look alike
_LONGEST_GAP = 50


@dataclass(frozen=True, slots=True)
class SpellerConfig:
    """Architecture. phones: P, and the blank. pieces: V, and the blank. hidden: H, units of one direction.

    outputs_per_step: pieces that can be written at each step, as a phone may stand for several.
    """

    phones: int
    pieces: int
    hidden: int = 448
    layers: int = 2
    outputs_per_step: int = 1
    dropout: float = 0.1


class Speller(nn.Module):
    """Steps [B, S, P + 1] of `steps_of` -> log probabilities of pieces [B, S * outputs_per_step, V]."""

    def __init__(self, config: SpellerConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(
            BidirectionalLayer(config.phones + 1 if i == 0 else 2 * config.hidden, config.hidden)
            for i in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(2 * config.hidden, config.outputs_per_step * config.pieces)

    def forward(self, steps: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """steps zero after each row's count [B]; gives log probabilities, and how many outputs each row has [B]."""
        x = steps
        for number, layer in enumerate(self.layers):
            x = layer(self.dropout(x) if number else x, counts)
        scores: Tensor = self.head(self.dropout(x)).float()
        log_probs = scores.view(len(x), x.shape[1] * self.config.outputs_per_step, -1).log_softmax(dim=-1)
        return log_probs, counts * self.config.outputs_per_step


@dataclass(frozen=True, slots=True)
class Steps:
    """What was heard of several utterances, one after the other: features [N, P + 1] of N steps, the row of each [N],
    and the output of the acoustic model at which each begins [N]. count: of rows."""

    features: Tensor
    rows: Tensor
    outputs: Tensor
    count: int

    @property
    def counts(self) -> Tensor:
        """Steps of each row."""
        return self.rows.bincount(minlength=self.count)

    def padded(self) -> Tensor:
        """[count, S, P + 1], zero after each row's last step."""
        return padded(self.features, self.counts)


def padded(features: Tensor, counts: Tensor) -> Tensor:
    """[N, D] of rows one after the other, with `counts` [B] each -> [B, longest, D], zero after each row's last."""
    rows = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
    starts = counts.cumsum(0) - counts
    places = torch.arange(len(features), device=counts.device) - starts[rows]
    target = features.new_zeros(len(counts), max(1, int(counts.max())), features.shape[1])
    target[rows, places] = features
    return target


def steps_of(log_probs: Tensor, lengths: Tensor) -> Steps:
    """Phone log probabilities [B, outputs, P] with `lengths` [B] -> the steps at which something was heard.

    Outputs that are almost surely blank are left out, and successive ones with the same best phone are averaged. A
    step's features are its log probabilities, from 0 for impossible to 1 for certain, and the silence before it.
    """
    probs = log_probs.float().exp()
    inside = torch.arange(probs.shape[1], device=probs.device) < lengths.unsqueeze(1)
    rows, outputs = (inside & (probs[..., BLANK] < _SILENT)).nonzero(as_tuple=True)
    heard = probs[rows, outputs]
    best = heard.argmax(dim=1)
    is_first = torch.ones_like(rows, dtype=torch.bool)
    is_first[1:] = rows[1:] != rows[:-1]
    before = torch.where(is_first, -1, outputs.roll(1))
    gaps = outputs - before - 1
    begins = is_first | (gaps > 0) | (best == BLANK) | (best != best.roll(1))
    step = begins.cumsum(0) - 1
    size = int(begins.sum())
    sums = heard.new_zeros(size, heard.shape[1]).index_add_(0, step, heard)
    means = sums / step.bincount(minlength=size).unsqueeze(1)
    certainty = (means.log().clamp(min=-_LEAST_LOG_PROB) + _LEAST_LOG_PROB) / _LEAST_LOG_PROB
    silence = gaps[begins].clamp(max=_LONGEST_GAP).log1p() / 3
    features = torch.cat([certainty, silence.unsqueeze(1)], dim=1)
    return Steps(features, rows[begins], outputs[begins], len(log_probs))
