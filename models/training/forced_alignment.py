"""The most likely times of known phones in log probabilities: phones that repeat, with pauses between, as in CTC.

A model's frame labels can so be found again by the model itself while it learns (Senior et al. 2014, "GMM-free DNN
acoustic model training"): borders move to where it hears them. All rows of a batch are aligned together on the device
of the model, as fetching them one by one would keep a GPU waiting.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from models.training.batches import Batch
from models.vocabulary import BLANK

_PRIOR_SCALE = 0.5  # how much of the labels' own frequency is taken out, so that silence does not spread
_IMPOSSIBLE = -1e30


def align_phones(log_probs: Tensor, lengths: Tensor, phones: Tensor, phone_lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The best paths (Viterbi) of phones [B, N] with phone_lengths [B] in log_probs [B, outputs, P] with lengths [B].

    Gives labels [B, outputs], a phone or BLANK, and which rows have as many outputs as their phones need [B].
    """
    rows, outputs, _ = log_probs.shape
    states = torch.full((rows, 2 * phones.shape[1] + 1), BLANK, device=phones.device)
    states[:, 1::2] = phones
    scores = log_probs.gather(2, states.unsqueeze(1).expand(-1, outputs, -1))
    # A blank between two phones may be left out where they differ.
    skips = torch.zeros_like(states, dtype=torch.bool)
    skips[:, 3::2] = phones[:, 1:] != phones[:, :-1]
    closed = torch.where(skips, 0.0, _IMPOSSIBLE)

    # Few operations for each output, as a GPU waits for the CPU to begin each; two impossible states come first.
    best = log_probs.new_full((outputs, rows, states.shape[1] + 2), _IMPOSSIBLE)
    best[0, :, 2:4] = scores[:, 0, :2]
    for output in range(1, outputs):
        before = best[output - 1]
        reached = torch.maximum(torch.maximum(before[:, 2:], before[:, 1:-1]), before[:, :-2] + closed)
        torch.add(reached, scores[:, output], out=best[output, :, 2:])
    stay, one, two = best[:-1, :, 2:], best[:-1, :, 1:-1], best[:-1, :, :-2] + closed
    steps = torch.where(two > torch.maximum(stay, one), 2, (one > stay).byte())
    steps *= torch.arange(1, outputs, device=lengths.device)[:, None, None] < lengths[:, None]

    ends = torch.stack([2 * phone_lengths, (2 * phone_lengths - 1).clamp(min=0)], dim=1)
    final = best[lengths - 1, torch.arange(rows, device=lengths.device), 2:]
    score, last = final.gather(1, ends).max(dim=1)
    state = ends.gather(1, last.unsqueeze(1))
    path = [state]
    for step in steps.flip(0):
        state = state - step.gather(1, state).long()
        path.append(state)
    return states.gather(1, torch.cat(path[::-1], dim=1)), score > _IMPOSSIBLE / 2


def realigned(log_probs: Tensor, lengths: Tensor, batch: Batch, log_prior: Tensor) -> Tensor:
    """[B, outputs] frame labels as the model's frame head hears them now.

    log_probs [B, outputs, P], lengths [B] outputs. log_prior [P]: how frequent each label is. A row without phones, or
    with more of them than fit, keeps the labels of the batch.
    """
    phones = pad_sequence([*torch.split(batch.phones, batch.phone_lengths.tolist())], batch_first=True)
    if not phones.numel():
        return batch.frame_labels
    scores = log_probs.float() - _PRIOR_SCALE * log_prior.to(log_probs.device)
    labels, fits = align_phones(scores, lengths, phones, batch.phone_lengths)
    is_inside = torch.arange(labels.shape[1], device=labels.device) < lengths.unsqueeze(1)
    is_new = is_inside & (fits & (batch.phone_lengths > 0)).unsqueeze(1)
    return torch.where(is_new, labels, batch.frame_labels)
