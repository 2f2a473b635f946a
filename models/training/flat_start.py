"""A first guess of which output says what, to take CTC off its plateau.

CTC from random weights first learns to say blank everywhere and may stay there for hours. Classical recognizers start
"flat": the text is spread evenly over the speech (Young et al., "The HTK Book", flat start). A frame-wise loss on that
guess, faded out over the first updates, gives CTC something to begin with.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.acoustic.state import STEP_FRAMES
from models.training.batches import Batch
from models.vocabulary import BLANK

_QUIET, _LOUD = 0.1, 0.9  # quantiles of an utterance's levels
_SPEECH_SHARE = 0.4  # speech is what lies above this share of the way from quiet to loud


def flat_alignment(batch: Batch, piece_lengths: Tensor, outputs_per_step: int) -> Tensor:
    """[B, outputs] symbols: each utterance's targets spread over its loud outputs, in proportion to their letters.

    piece_lengths [V]: letters of each symbol. Quiet outputs and padding are blank.
    """
    batch_size, frames, _ = batch.frames.shape
    output_frames = STEP_FRAMES // outputs_per_step
    levels = F.avg_pool1d(batch.frames.mean(dim=-1), output_frames, ceil_mode=True)
    labels = torch.full((batch_size, -(-frames // STEP_FRAMES) * outputs_per_step), BLANK)
    starts = batch.target_lengths.cumsum(0) - batch.target_lengths
    for row in range(batch_size):
        length = -(-int(batch.frame_lengths[row]) // output_frames)
        own = levels[row, :length]
        quiet, loud = own.quantile(_QUIET), own.quantile(_LOUD)
        spoken = (own > quiet + _SPEECH_SHARE * (loud - quiet)).nonzero().squeeze(1)
        targets = batch.targets[starts[row] : starts[row] + batch.target_lengths[row]]
        ends = piece_lengths[targets].cumsum(0)
        where = (torch.arange(len(spoken)) + 0.5) / len(spoken) * ends[-1]
        labels[row, spoken] = targets[torch.searchsorted(ends, where)]
    return labels


def flat_loss(log_probs: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
    """Mean cross entropy of [B, outputs, V] log probabilities against a flat alignment, padding left out."""
    valid = torch.arange(labels.shape[1]) < lengths.cpu().unsqueeze(1)
    return F.nll_loss(log_probs[valid.to(log_probs.device)], labels[valid].to(log_probs.device))
