"""Words without lexicon and language model: what the package's speller writes of the phones that were heard."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from models.acoustic.speller import Speller, steps_of
from models.decoding.greedy import greedy_ids
from models.errors import PackageError
from models.package import PIECES, SPELLER, Package
from models.vocabulary import Vocabulary
from models.weights import load_network


class SpellingDecoder:
    """One package's speller."""

    def __init__(self, package: Package) -> None:
        """Raises PackageError for a package without a speller."""
        if package.config.speller is None:
            raise PackageError(f"{package.folder} has no speller")
        device = torch.device("cpu")
        self._speller = load_network(partial(Speller, package.config.speller), package.path(SPELLER), device)
        self._pieces = Vocabulary(package.path(PIECES))

    @torch.inference_mode()
    def text(self, log_probs: Tensor) -> str:
        """[outputs, P] log probabilities of phones -> words."""
        steps = steps_of(log_probs.unsqueeze(0), torch.tensor([len(log_probs)]))
        written, _ = self._speller(steps.padded(), steps.counts)
        return self._pieces.decode([symbol for _, symbol in greedy_ids(written[0, : len(steps.rows)])])
