"""What a training step minimizes: CTC over letters and phones, the phone of each output, and that two views agree.

Graves et al. 2006, "Connectionist temporal classification". Which batch and which chunks is `train.py`'s choice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.acoustic.model import AcousticModel, Emissions
from models.acoustic.state import ChunkShape
from models.training.batches import Batch
from models.training.flat_start import UNKNOWN_LABEL
from models.training.forced_alignment import realigned
from models.vocabulary import BLANK


class ForwardLoss(nn.Module):
    """One module call for both ways through the model, as DistributedDataParallel demands."""

    def __init__(
        self, model: AcousticModel, log_prior: Tensor | None = None, *, consistency_weight: float = 0.0
    ) -> None:
        """log_prior [P]: how frequent each frame label is; with it they can be aligned anew.

        consistency_weight: of how much two views of an utterance differ; batches then have two of each.
        """
        super().__init__()
        self.model = model
        self.log_prior = log_prior
        self.consistency_weight = consistency_weight

    def forward(self, batch: Batch, shape: ChunkShape | None, frame_weight: float, realign: bool = False) -> Tensor:
        """Loss a letter plus loss a phone plus `frame_weight` times the loss of a frame label.

        realign: labels as the frame head hears them now, instead of the batch's.
        """
        emissions: Emissions = self.model(batch.frames, batch.frame_lengths, shape)
        labels = batch.frame_labels
        if realign and self.log_prior is not None:
            labels = realigned(emissions.frames.detach(), emissions.lengths, batch, self.log_prior)
        frames = F.nll_loss(emissions.frames.flatten(0, 1), labels.flatten(), ignore_index=UNKNOWN_LABEL)
        loss = ctc_loss(emissions, batch) + frame_weight * frames
        if self.consistency_weight:
            loss = loss + self.consistency_weight * consistency_loss(emissions, batch)
        return loss


def consistency_loss(emissions: Emissions, batch: Batch) -> Tensor:
    """How far two views of the same utterances are from each other, a letter plus a phone.

    Yao et al. 2024, "CR-CTC: Consistency regularization on CTC": each view learns what the other one heard where its
    own frames are masked. The views are the two halves of the rows.
    """
    letters = _divergence(emissions.letters, emissions.lengths) / batch.target_lengths.sum().clamp(min=1)
    return letters + _divergence(emissions.phones, emissions.lengths) / batch.phone_lengths.sum().clamp(min=1)


def _divergence(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """Sum over all outputs of both views of the divergence from what the other view says, taken as given."""
    other = log_probs.detach().roll(len(log_probs) // 2, dims=0)
    outputs = F.kl_div(log_probs, other, log_target=True, reduction="none").sum(dim=-1)
    valid = torch.arange(outputs.shape[1], device=outputs.device) < lengths.unsqueeze(1)
    return (outputs * valid).sum()


def ctc_loss(emissions: Emissions, batch: Batch) -> Tensor:
    """Loss a letter plus loss a phone."""
    letters = symbol_loss(emissions.letters, emissions.lengths, batch.targets, batch.target_lengths)
    return letters + symbol_loss(emissions.phones, emissions.lengths, batch.phones, batch.phone_lengths)


def symbol_loss(found: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
    """Mean loss a symbol; an utterance with more symbols than outputs counts nothing."""
    losses = F.ctc_loss(
        found.transpose(0, 1),
        targets,
        lengths,
        target_lengths,
        blank=BLANK,
        reduction="none",
        zero_infinity=True,
    )
    return losses.sum() / target_lengths.sum().clamp(min=1)
