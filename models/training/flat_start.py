"""A first guess of which output says what, where no model can align yet.

CTC from random weights first learns to say blank everywhere and may stay there for hours. Classical recognizers start
"flat": the text is spread evenly over the speech (Young et al., "The HTK Book", flat start). Learning that guess first
gives CTC something to begin with.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.vocabulary import BLANK

_QUIET, _LOUD = 0.1, 0.9  # quantiles of an utterance's levels
_SPEECH_SHARE = 0.4  # speech is what lies above this share of the way from quiet to loud


def flat_alignment(frames: Tensor, phones: Tensor, output_frames: int) -> Tensor:
    """[T, F] frames, [N] phones -> a label for each output: phones spread over the loud outputs, silence elsewhere."""
    levels = F.avg_pool1d(frames.mean(dim=-1).unsqueeze(0), output_frames, ceil_mode=True).squeeze(0)
    quiet, loud = levels.quantile(_QUIET), levels.quantile(_LOUD)
    spoken = (levels > quiet + _SPEECH_SHARE * (loud - quiet)).nonzero().squeeze(1)
    labels = torch.full((len(levels),), BLANK)
    if len(phones) and len(spoken):
        labels[spoken] = phones[torch.arange(len(spoken)) * len(phones) // len(spoken)]
    return labels
