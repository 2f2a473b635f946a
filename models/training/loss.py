"""What a training step minimizes: CTC over letters and over phones, and the phone of each output where it is known.

Graves et al. 2006, "Connectionist temporal classification". Which batch and which chunks is `train.py`'s choice.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from models.acoustic.lstm import AcousticConfig, AcousticModel, Emissions, log_probs
from models.acoustic.state import ChunkShape
from models.training.batches import UNKNOWN_LABEL, Batch
from models.training.forced_alignment import realigned
from models.vocabulary import BLANK


class FrameHead(nn.Module):
    """Which phone, or silence, each output belongs to; for training and alignment only."""

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        self._outputs_per_step = config.outputs_per_step
        self.linear = nn.Linear(2 * config.hidden, config.outputs_per_step * config.phones)

    def forward(self, x: Tensor) -> Tensor:
        """[B, S, 2H] -> log probabilities [B, outputs, P]."""
        return log_probs(self.linear, x, self._outputs_per_step)


class ForwardLoss(nn.Module):
    """One module call for both ways through the model, as DistributedDataParallel demands."""

    def __init__(
        self, model: AcousticModel, frame_head: FrameHead | None = None, log_prior: Tensor | None = None
    ) -> None:
        """frame_head: learns the labels of the batches beside CTC. log_prior [P]: of the labels; with it they can be
        aligned anew."""
        super().__init__()
        self.model = model
        self.frame_head = frame_head
        self.log_prior = log_prior

    def forward(
        self, batch: Batch, shape: ChunkShape | None, frame_weight: float = 0.0, realign: bool = False
    ) -> Tensor:
        """Loss a letter plus loss a phone plus `frame_weight` times the loss of a frame label.

        realign: labels as the frame head hears them now, instead of the batch's.
        """
        x, lengths = self.model.encode(batch.frames, batch.frame_lengths, shape)
        emissions = self.model.emissions(x, lengths)
        loss = ctc_loss(emissions, batch)
        if self.frame_head is None:
            return loss
        found = self.frame_head(x)
        labels = batch.frame_labels
        if realign and self.log_prior is not None:
            labels = realigned(found.detach(), emissions.lengths, batch, self.log_prior)
        frames = F.nll_loss(found.flatten(0, 1), labels.flatten(), ignore_index=UNKNOWN_LABEL)
        return loss + frame_weight * frames


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
