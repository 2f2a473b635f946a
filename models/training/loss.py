"""What a training step minimizes: CTC over letters and over phones, and the phone of each output where it is known.

Graves et al. 2006, "Connectionist temporal classification". Which batch and which chunks is `train.py`'s choice.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from models.acoustic.lstm import AcousticModel, Emissions
from models.acoustic.state import ChunkShape
from models.training.batches import UNKNOWN_LABEL, Batch
from models.training.forced_alignment import realigned
from models.vocabulary import BLANK


class ForwardLoss(nn.Module):
    """One module call for both ways through the model, as DistributedDataParallel demands."""

    def __init__(self, model: AcousticModel, log_prior: Tensor | None = None) -> None:
        """log_prior [P]: how frequent each frame label is; with it they can be aligned anew."""
        super().__init__()
        self.model = model
        self.log_prior = log_prior

    def forward(self, batch: Batch, shape: ChunkShape | None, frame_weight: float, realign: bool = False) -> Tensor:
        """Loss a letter plus loss a phone plus `frame_weight` times the loss of a frame label.

        realign: labels as the frame head hears them now, instead of the batch's.
        """
        emissions: Emissions = self.model(batch.frames, batch.frame_lengths, shape)
        labels = batch.frame_labels
        if realign and self.log_prior is not None:
            labels = realigned(emissions.frames.detach(), emissions.lengths, batch, self.log_prior)
        frames = F.nll_loss(emissions.frames.flatten(0, 1), labels.flatten(), ignore_index=UNKNOWN_LABEL)
        return ctc_loss(emissions, batch) + frame_weight * frames


def ctc_loss(emissions: Emissions, batch: Batch) -> Tensor:
    """Loss a letter plus loss a phone."""
    letters = _ctc_loss(emissions.letters, emissions.lengths, batch.targets, batch.target_lengths)
    return letters + _ctc_loss(emissions.phones, emissions.lengths, batch.phones, batch.phone_lengths)


def _ctc_loss(found: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
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
