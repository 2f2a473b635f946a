"""What the acoustic model makes of utterances: computed once, then searched in many ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from models.acoustic.model import Emissions
from models.acoustic.state import ChunkShape
from models.features import LogMel
from models.package import Package
from models.recognizer import load_model
from models.training.data import Utterance, read_audio


def phone_log_probs(package: Package, utterances: Iterable[Utterance]) -> list[Tensor]:
    """[outputs, P] of each utterance, with full context."""
    return [emissions.phones[0] for emissions in _emissions(package, utterances, None)]


def chunked_phone_log_probs(package: Package, utterances: Iterable[Utterance], shape: ChunkShape) -> list[Tensor]:
    """[outputs, P] of each utterance, chunk by chunk as interim text comes from."""
    return [emissions.phones[0] for emissions in _emissions(package, utterances, shape)]


@torch.inference_mode()
def _emissions(package: Package, utterances: Iterable[Utterance], shape: ChunkShape | None) -> Iterator[Emissions]:
    model = load_model(package, torch.device("cpu"))
    log_mel = LogMel(package.config.features)
    for utterance in utterances:
        audio = read_audio(utterance.path).astype(np.float32) / 32768
        frames = log_mel(torch.from_numpy(audio))
        yield model(frames.unsqueeze(0), torch.tensor([len(frames)]), shape)
