"""A first guess of which output says what, where no model can align yet.

CTC from random weights first learns to say blank everywhere and may stay there for hours. Classical recognizers start
"flat": the text is spread evenly over the speech (Young et al., "The HTK Book", flat start). Learning that guess first
gives CTC something to begin with.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.acoustic.state import STEP_FRAMES
from models.vocabulary import BLANK

UNKNOWN_LABEL = -100
_QUIET, _LOUD = 0.1, 0.9  # quantiles of an utterance's levels
_SPEECH_SHARE = 0.4  # speech is what lies above this share of the way from quiet to loud


def flat_alignment(
    frames: Tensor, lengths: Tensor, phones: Tensor, phone_lengths: Tensor, outputs_per_step: int
) -> Tensor:
    """A label for each output [B, O]: phones spread over the loud outputs, BLANK elsewhere, UNKNOWN_LABEL in padding.

    frames [B, T, F] with lengths [B], phones [B, N] with phone_lengths [B].
    """
    rows, count, _ = frames.shape
    outputs = -(-count // STEP_FRAMES) * outputs_per_step
    output_frames = STEP_FRAMES // outputs_per_step
    beyond = outputs * output_frames - count
    inside = F.pad(torch.arange(count, device=frames.device) < lengths.unsqueeze(1), (0, beyond))
    levels = F.pad(frames.mean(dim=-1), (0, beyond)) * inside
    heard = inside.view(rows, outputs, output_frames).sum(dim=-1)
    levels = levels.view(rows, outputs, output_frames).sum(dim=-1) / heard.clamp(min=1)

    ordered = levels.masked_fill(heard == 0, torch.inf).sort(dim=1).values
    last = (heard > 0).sum(dim=1, keepdim=True) - 1
    quiet, loud = (_at(ordered, share * last) for share in (_QUIET, _LOUD))
    spoken = (levels > quiet + _SPEECH_SHARE * (loud - quiet)) & (heard > 0) & (phone_lengths > 0).unsqueeze(1)

    place = spoken.cumsum(dim=1) - 1
    turn = place * phone_lengths.unsqueeze(1) // spoken.sum(dim=1, keepdim=True).clamp(min=1)
    named = F.pad(phones, (0, 1), value=BLANK)  # at least one column, for rows in which nobody speaks
    labels = torch.where(spoken, named.gather(1, turn.clamp(0, phones.shape[1])), BLANK)
    ends = (lengths + STEP_FRAMES - 1) // STEP_FRAMES * outputs_per_step
    return labels.masked_fill(torch.arange(outputs, device=frames.device) >= ends.unsqueeze(1), UNKNOWN_LABEL)


def _at(ordered: Tensor, position: Tensor) -> Tensor:
    """[B, 1] values of sorted rows [B, O] at real positions [B, 1], linear between neighbors."""
    below = position.floor().long().clamp(min=0)
    above = (below + 1).clamp(max=ordered.shape[1] - 1)
    low, high = ordered.gather(1, below), ordered.gather(1, above)
    return torch.where(position > below, low + (position - below) * (high - low), low)
