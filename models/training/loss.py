"""What a training step minimizes: CTC over letters plus CTC over phones, for whole utterances or chunk by chunk.

Graves et al. 2006, "Connectionist temporal classification". Which batch and which chunks is `train.py`'s choice.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from models.acoustic.lstm import AcousticModel
from models.acoustic.state import ChunkShape
from models.training.batches import Batch
from models.training.flat_start import flat_loss
from models.vocabulary import BLANK


class ForwardLoss(torch.nn.Module):
    """One module call for both ways through the model, as DistributedDataParallel demands."""

    def __init__(self, model: AcousticModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, shape: ChunkShape | None, flat: tuple[Tensor, float] | None = None) -> Tensor:
        """Loss a letter plus loss a phone. flat: a flat alignment [B, outputs] and its weight, at the beginning."""
        frames, lengths = batch.frames, batch.frame_lengths
        if shape is None:
            emissions = self.model(frames, lengths)
        else:
            emissions = self.model.forward_as_chunks(frames, lengths, shape)
        letters = _ctc_loss(emissions.letters, emissions.lengths, batch.targets, batch.target_lengths)
        phones = _ctc_loss(emissions.phones, emissions.lengths, batch.phones, batch.phone_lengths)
        loss = letters + phones
        if flat is not None:
            labels, weight = flat
            loss = loss + weight * flat_loss(emissions.letters, labels, emissions.lengths)
        return loss


def _ctc_loss(log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
    """Mean loss a symbol; an utterance with more symbols than outputs counts nothing."""
    losses = F.ctc_loss(
        log_probs.transpose(0, 1),
        targets,
        lengths,
        target_lengths,
        blank=BLANK,
        reduction="none",
        zero_infinity=True,
    )
    return losses.sum() / target_lengths.sum()
