"""The most likely times of known phones in log probabilities: phones that repeat, with pauses between, as in CTC.

A model's frame labels can so be found again by the model itself while it learns (Senior et al. 2014, "GMM-free DNN
acoustic model training"): borders move to where it hears them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchaudio.functional import forced_align

from models.training.batches import Batch
from models.vocabulary import BLANK

_PRIOR_SCALE = 0.5  # how much of the labels' own frequency is taken out, so that silence does not spread


def align_phones(log_probs: Tensor, phones: Tensor) -> Tensor | None:
    """[outputs, P] log probabilities, [N] phones -> [outputs] labels of the best path; None where they do not fit."""
    repeats = int((phones[1:] == phones[:-1]).sum())
    if not len(phones) or len(phones) + repeats > len(log_probs):
        return None
    path, _ = forced_align(log_probs.unsqueeze(0), phones.int().unsqueeze(0), blank=BLANK)
    labels: Tensor = path[0].long()
    return labels


def realigned(log_probs: Tensor, lengths: Tensor, batch: Batch, log_prior: Tensor) -> Tensor:
    """[B, outputs] frame labels as the model's frame head hears them now.

    log_probs [B, outputs, P], lengths [B] outputs. log_prior [P]: how frequent each label is. A row without phones, or
    with more of them than fit, keeps the labels of the batch.
    """
    labels = batch.frame_labels.clone()
    scores = log_probs.float().cpu() - _PRIOR_SCALE * log_prior
    wanted = torch.split(batch.phones.cpu(), batch.phone_lengths.tolist())
    for row, (length, phones) in enumerate(zip(lengths.tolist(), wanted, strict=True)):
        path = align_phones(scores[row, :length].contiguous(), phones)
        if path is not None:
            labels[row, :length] = path.to(labels.device)
    return labels
