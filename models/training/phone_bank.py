"""How a model hears phones, kept in snippets, of which what it would hear of any text can be put together.

A speller (`acoustic/speller.py`) learns from text that nobody has read aloud: each phone of a sentence gets what the
acoustic model made of this phone in real speech, between the same neighbors at the same place of a word where there is
such a snippet. What it misheard and left out is in the snippets. Everything is done for all sentences of a batch at
once, on the device that learns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import jiwer
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from models.acoustic.model import Emissions
from models.acoustic.speller import steps_of
from models.training.forced_alignment import align_phones
from models.vocabulary import BLANK

BEGINS_WORD, ENDS_WORD = 2, 1
_PLACES = 4
_SPREAD = 0.15  # how far a snippet may be from a sentence's quality, of all snippets of its kind
_LEAST_SNIPPETS = 2  # of a kind, or its neighbors count less
_EXPONENTS = (0.1, 10.0)


@dataclass(frozen=True, slots=True)
class Snippets:
    """Of some utterances: steps' features [N, P + 1], and for each phone its id, place in its word, neighbors (0 at an
    utterance's border), the utterance's error rate, and which steps are its own [begin, end). texts: the utterances'.
    """

    features: Tensor
    phones: Tensor
    places: Tensor
    left: Tensor
    right: Tensor
    errors: Tensor
    begin: Tensor
    end: Tensor
    texts: tuple[str, ...]


def snippets_of(
    emissions: Emissions, phones: Sequence[Tensor], places: Sequence[Tensor], texts: Sequence[str]
) -> Snippets:
    """What a model heard of utterances with known phones [n] at these places of their words [n]; on the CPU.

    An utterance with more phones than fit into it is left out.
    """
    counts = torch.tensor([len(own) for own in phones])
    wanted = pad_sequence(list(phones), batch_first=True)
    device = emissions.phones.device
    path, fits = align_phones(emissions.phones, emissions.lengths, wanted.to(device), counts.to(device))
    numbers = _phone_numbers(path, emissions.lengths)
    steps = steps_of(emissions.phones, emissions.lengths)
    own_numbers = numbers[steps.rows, steps.outputs].cpu()
    features, rows, fits = steps.features.cpu(), steps.rows.cpu(), fits.cpu() & (counts > 0)
    best, lengths = emissions.phones.argmax(dim=-1).cpu(), emissions.lengths.tolist()
    parts: list[tuple[Tensor, ...]] = []
    used = 0
    kept = []
    good = fits.nonzero().squeeze(1).tolist()
    for row in good:
        own = (rows == row).nonzero().squeeze(1)
        kept.append(own)
        number, count = own_numbers[own].contiguous(), torch.arange(len(phones[row]))
        heard = [symbol for symbol in torch.unique_consecutive(best[row, : lengths[row]]).tolist() if symbol != BLANK]
        error = jiwer.wer(" ".join(map(str, phones[row].tolist())), " ".join(map(str, heard)))
        border = torch.zeros(1, dtype=torch.long)
        parts.append(
            (
                phones[row],
                places[row],
                torch.cat([border, phones[row][:-1]]),
                torch.cat([phones[row][1:], border]),
                torch.full((len(count),), error),
                used + torch.searchsorted(number, count),
                used + torch.searchsorted(number, count, right=True),
            )
        )
        used += len(own)
    if not parts:
        parts.append((torch.zeros(0, dtype=torch.long),) * 7)
        kept.append(torch.zeros(0, dtype=torch.long))
    phone, place, left, right, errors, begin, end = (torch.cat(column) for column in zip(*parts, strict=True))
    own_texts = tuple(texts[row] for row in good)
    return Snippets(features[torch.cat(kept)], phone, place, left, right, errors, begin, end, own_texts)


def joined(parts: Sequence[Snippets]) -> Snippets:
    """Snippets of several batches."""
    starts = torch.tensor([0, *[len(part.features) for part in parts]]).cumsum(0).tolist()
    moved = [
        replace(part, begin=part.begin + start, end=part.end + start)
        for part, start in zip(parts, starts, strict=False)
    ]
    columns = {
        field.name: torch.cat([getattr(part, field.name) for part in moved])
        for field in fields(Snippets)
        if field.name != "texts"
    }
    return Snippets(**columns, texts=tuple(text for part in parts for text in part.texts))


class PhoneBank:
    """Draws what the model could have heard of phones."""

    def __init__(self, snippets: Snippets, phones: int, error_rate: float, device: torch.device) -> None:
        """phones: P, and the blank. error_rate: of the phones that are drawn, in the mean, if they can be as bad.

        The training speech is perturbed, but known to the model: it hears it worse or better than speech is.
        """
        self._size = phones
        self._features = snippets.features.to(device)
        self._begin, self._end = snippets.begin.to(device), snippets.end.to(device)
        by_quality = snippets.errors.argsort()
        self.exponent = _exponent(snippets.errors[by_quality], error_rate)
        left, own, right, places = (
            getattr(snippets, name).to(device) for name in ("left", "phones", "right", "places")
        )
        self._kinds = [
            _Kind(keys, by_quality.to(device), size)
            for keys, size in zip(
                self._keys(left, own, right, places), (phones**3, phones**2, phones**2, phones), strict=True
            )
        ]

    def draw(self, phones: Tensor, places: Tensor, counts: Tensor, dice: torch.Generator) -> tuple[Tensor, Tensor]:
        """Phones [N] of sentences one after the other, `counts` [B] of each -> features [M, P + 1] and counts [B]."""
        device = phones.device
        rows = torch.arange(len(counts), device=device).repeat_interleave(counts)
        same = rows[1:] == rows[:-1]
        left, right = torch.zeros_like(phones), torch.zeros_like(phones)
        left[1:] = phones[:-1] * same
        right[:-1] = phones[1:] * same

        def random(count: int) -> Tensor:
            return torch.rand(count, generator=dice, device=device)

        quality = random(len(counts)).pow(self.exponent)[rows]
        quality = quality + (random(len(phones)) + random(len(phones)) - 1) * _SPREAD
        quality = 1 - (1 - quality.abs()).abs()  # reflected at 0 and 1
        both, before, after, alone = (
            kind.draw(key, quality)
            for kind, key in zip(self._kinds, self._keys(left, phones, right, places), strict=True)
        )
        one = torch.where(random(len(phones)) < 0.5, before, after)
        found = torch.where(both >= 0, both, torch.where(one >= 0, one, alone))
        length = torch.where(found >= 0, self._end[found] - self._begin[found], 0)
        starts = (self._begin[found] - (length.cumsum(0) - length)).repeat_interleave(length)
        features = self._features[starts + torch.arange(len(starts), device=device)]
        return features, torch.zeros_like(counts).index_add_(0, rows, length)

    def _keys(self, left: Tensor, own: Tensor, right: Tensor, places: Tensor) -> tuple[Tensor, ...]:
        """By both neighbors, by the left one, by the right one, and by none."""
        size = self._size
        kinds = ((left * size + own) * size + right, left * size + own, own * size + right, own)
        return tuple(kind * _PLACES + places for kind in kinds)


class _Kind:
    """Snippets by a key, those that were heard best first."""

    def __init__(self, keys: Tensor, by_quality: Tensor, size: int) -> None:
        ordered = keys[by_quality].argsort(stable=True)
        self._items = by_quality[ordered]
        counts = keys.bincount(minlength=size * _PLACES)
        self._counts, self._starts = counts, counts.cumsum(0) - counts

    def draw(self, keys: Tensor, quality: Tensor) -> Tensor:
        """A snippet for each key [N], by its quality [N] from 0 for the best to 1; -1 where there are too few."""
        counts = self._counts[keys]
        place = (quality * counts).long().clamp(min=0)
        item = self._items[
            (self._starts[keys] + place.minimum((counts - 1).clamp(min=0))).clamp(max=len(self._items) - 1)
        ]
        return torch.where(counts >= _LEAST_SNIPPETS, item, -1)


def _exponent(errors: Tensor, error_rate: float) -> float:
    """e such that sorted errors [N], drawn at uniform numbers to the power of e, are `error_rate` in the mean."""
    uniform = torch.linspace(0, 1, 1001)
    low, high = (math.log(own) for own in _EXPONENTS)
    for _ in range(30):
        middle = (low + high) / 2
        places = (uniform.pow(math.exp(middle)) * (len(errors) - 1)).long()
        low, high = (middle, high) if float(errors[places].mean()) > error_rate else (low, middle)
    return math.exp((low + high) / 2)


def _phone_numbers(path: Tensor, lengths: Tensor) -> Tensor:
    """[B, outputs] which phone of its utterance each output belongs to; blanks go with the nearest phone."""
    outputs = path.shape[1]
    named = (path != BLANK) & (torch.arange(outputs, device=path.device) < lengths.unsqueeze(1))
    before = torch.cat([torch.full_like(path[:, :1], BLANK), path[:, :-1]], dim=1)
    number = ((path != before) & named).cumsum(dim=1) - 1
    place = torch.arange(outputs, device=path.device).expand_as(path)
    last = torch.where(named, place, -outputs).cummax(dim=1).values
    following = torch.where(named, place, 3 * outputs).flip(1).cummin(dim=1).values.flip(1)
    nearest = torch.where(place - last <= following - place, last, following).clamp(0, outputs - 1)
    return number.gather(1, nearest)
