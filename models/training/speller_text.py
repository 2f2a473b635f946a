"""Text for a speller: sentences as numbers of words, and each word's phones and pieces."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.training.phone_bank import BEGINS_WORD, ENDS_WORD
from models.training.pronunciations import Pronunciations
from models.training.sentences import read_sentences
from models.vocabulary import Vocabulary

log = logging.getLogger(__name__)

_WORDS, _SENTENCES = "words.npy", "sentences.npy"


def word_places(count: int) -> list[int]:
    """Of the phones of a word with `count` of them: which begin it, which end it."""
    return [BEGINS_WORD * (i == 0) + ENDS_WORD * (i == count - 1) for i in range(count)]


class Ragged:
    """Lists of numbers, one after the other on a device."""

    def __init__(self, lists: Sequence[Sequence[int]], device: torch.device) -> None:
        self.counts = torch.tensor([len(own) for own in lists], device=device)
        self._starts = self.counts.cumsum(0) - self.counts
        self._flat = torch.tensor(list(itertools.chain.from_iterable(lists)), device=device)

    def take(self, chosen: Tensor) -> Tensor:
        """The numbers of the lists `chosen` [N], one after the other."""
        counts = self.counts[chosen]
        ends = counts.cumsum(0)
        places = (self._starts[chosen] - (ends - counts)).repeat_interleave(counts)
        return self._flat[places + torch.arange(len(places), device=chosen.device)]


class SpellerText:
    """Running text on a device; `windows` cuts it."""

    def __init__(
        self,
        folder: Path,
        pronunciations: Pronunciations,
        phone_ids: dict[str, int],
        pieces: Vocabulary,
        device: torch.device,
    ) -> None:
        """folder: where `write_text` put the text, with the same pronunciations."""
        own = [[phone_ids[p] for p in phones] for phones in pronunciations.values()]
        self.phones = Ragged(own, device)
        self.places = Ragged([word_places(len(phones)) for phones in own], device)
        self.pieces = Ragged([pieces.encode(word) for word in pronunciations], device)
        self._words = torch.from_numpy(np.load(folder / _WORDS)).to(device)
        self._sentences = torch.from_numpy(np.load(folder / _SENTENCES)).to(device)
        log.info("%.1f million words of text", len(self._words) / 1e6)

    def windows(self, count: int, words: int, dice: torch.Generator) -> Tensor:
        """[count, words] numbers of successive words; every other window begins with a sentence."""
        device = self._words.device
        last = len(self._words) - words
        anywhere = torch.randint(last, (count,), generator=dice, device=device)
        chosen = torch.randint(len(self._sentences), (count,), generator=dice, device=device)
        starts = torch.where(
            torch.arange(count, device=device) % 2 == 0, self._sentences[chosen].clamp(max=last), anywhere
        )
        return self._words[starts.unsqueeze(1) + torch.arange(words, device=device)].long()


def write_text(paths: Iterable[Path], pronunciations: Pronunciations, folder: Path) -> None:
    """Writes the sentences all of whose words have a pronunciation as numbers of these words."""
    numbers = {word: number for number, word in enumerate(pronunciations)}
    words, lengths = [], []
    for sentence in read_sentences(paths):
        own = [numbers.get(word, -1) for word in sentence]
        if min(own) >= 0:
            words.append(np.array(own, dtype=np.int32))
            lengths.append(len(own))
    np.save(folder / _WORDS, np.concatenate(words))
    np.save(folder / _SENTENCES, np.cumsum([0, *lengths[:-1]]))


def has_text(folder: Path) -> bool:
    """Whether `write_text` has been here."""
    return (folder / _SENTENCES).exists()
