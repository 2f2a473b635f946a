"""What a model in training makes of the development set, greedily; the beam search is `models.evaluation`'s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
import torch

from models.acoustic.model import AcousticModel, Emissions
from models.decoding.greedy import greedy_ids
from models.training.batches import MakesBatches, plan_epoch
from models.training.data import Utterance
from models.training.loss import ctc_loss
from models.vocabulary import Vocabulary

_BATCH_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Rates:
    """loss: a letter plus a phone. wer, cer: of the letters. per: of the phones. All three as shares of 1."""

    loss: float
    wer: float
    cer: float
    per: float


@torch.inference_mode()
def recognize(
    model: AcousticModel,
    utterances: Sequence[Utterance],
    batches: MakesBatches,
    vocabulary: Vocabulary,
    device: torch.device,
) -> Rates:
    """The rates of a model that is in evaluation mode. batches: makes them of these utterances."""
    references, hypotheses, phone_references, phone_hypotheses = [], [], [], []
    losses = []
    for indices in plan_epoch([u.seconds for u in utterances], _BATCH_SECONDS, seed=0):
        batch = batches.make(indices).to(device)
        found: Emissions = model(batch.frames, batch.frame_lengths)
        losses.append(float(ctc_loss(found, batch)))
        wanted = torch.split(batch.phones, batch.phone_lengths.tolist())
        rows = zip(indices, found.letters.cpu(), found.phones.cpu(), found.lengths.tolist(), wanted, strict=True)
        for index, letters, phones, length, phone_targets in rows:
            references.append(utterances[index].transcript)
            hypotheses.append(vocabulary.decode([symbol for _, symbol in greedy_ids(letters[:length])]))
            phone_references.append(" ".join(map(str, phone_targets.tolist())))
            phone_hypotheses.append(" ".join(str(symbol) for _, symbol in greedy_ids(phones[:length])))
    return Rates(
        loss=sum(losses) / len(losses),
        wer=jiwer.wer(references, hypotheses),
        cer=jiwer.cer(references, hypotheses),
        per=jiwer.wer(phone_references, phone_hypotheses),
    )
