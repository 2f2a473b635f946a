"""What an utterance says so far: a narrow beam search that goes on with every chunk. Final texts are `beam.py`'s.

Greedy letters spell as they are heard. A lexicon and a language model, at a beam so narrow that a chunk costs half a
millisecond, make words of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from flashlight.lib.text.decoder import LexiconDecoder
from torch import Tensor

from models.decoding.timed_words import TimedWord
from models.package import DecodingConfig

_BEAM_SIZE, _BEAM_THRESHOLD = 50, 9.0
_SETTLED_S = 1.0
"""A word that was said so long ago is committed: what follows hardly ever changes it."""


def interim_tuning(tuning: DecodingConfig) -> DecodingConfig:
    """The same weights, a beam that is narrow enough for every chunk."""
    return replace(tuning, beam_size=_BEAM_SIZE, beam_threshold=_BEAM_THRESHOLD)


@dataclass(frozen=True, slots=True)
class InterimText:
    """committed: its leading words that stay as they are. log_prob: mean over the words of their phones' mean.

    A phrase that the caller has hinted at is one of the words.
    """

    words: tuple[str, ...]
    committed: int
    log_prob: float

    @property
    def text(self) -> str:
        """The words with single spaces."""
        return " ".join(self.words)

    @property
    def committed_chars(self) -> int:
        """Of the text."""
        return len(" ".join(self.words[: self.committed]))


class InterimSearch:
    """Of one utterance of one caller."""

    def __init__(
        self,
        decoder: LexiconDecoder,
        emissions: Callable[[Tensor], Tensor],
        timed_words: Callable[[Sequence[int], Sequence[int], Tensor], Sequence[TimedWord]],
        *,
        output_s: float,
    ) -> None:
        """decoder: fresh. emissions: from log probabilities to what it searches in. timed_words: of a path of it.

        output_s: from one output of the acoustic model to the next.
        """
        self._decoder = decoder
        self._emissions = emissions
        self._timed_words = timed_words
        self._settled = round(_SETTLED_S / output_s)
        self._committed: list[TimedWord] = []
        self._open = torch.zeros(0)  # log probabilities of the outputs after the committed words
        self._open_from = 0
        self._outputs = 0
        decoder.decode_begin()

    def accept(self, log_probs: Tensor) -> InterimText:
        """[outputs, P] log probabilities of the next chunk's phones -> the text so far."""
        self._outputs += len(log_probs)
        self._open = torch.cat([self._open.view(-1, log_probs.shape[1]), log_probs])
        emissions = self._emissions(log_probs)
        self._decoder.decode_step(emissions.data_ptr(), *emissions.shape)
        best = self._decoder.get_best_hypothesis(0)
        # Its first entry is before the first output, and it ends with the last word that is complete.
        path, ends = best.tokens[1 + self._open_from :], best.words[1 + self._open_from :]
        tail = self._timed_words(path, ends, self._open[: len(path)])
        words = [
            replace(w, first_output=w.first_output + self._open_from, last_output=w.last_output + self._open_from)
            for w in tail
        ]
        settled = sum(word.last_output <= self._outputs - self._settled for word in words)
        self._commit(words[:settled])
        shown = [*self._committed, *words[settled:]]
        log_prob = sum(word.log_prob for word in shown) / len(shown) if shown else 0.0
        return InterimText(tuple(word.text for word in shown), len(self._committed), log_prob)

    def _commit(self, words: Sequence[TimedWord]) -> None:
        if words:
            self._committed += words
            start = words[-1].last_output + 1
            self._open = self._open[start - self._open_from :].clone()
            self._open_from = start
