"""What one caller wants of final results: how to search, and how to write down what was found.

The search is `decoding/beam.py`'s, the writing `text/formatting.py`'s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.decoding.beam import Hypothesis
from models.decoding.confidence import calibrated, of_all
from models.decoding.phrases import Phrase, phrases_of
from models.errors import InvalidOptions
from models.package import DecodingConfig
from models.text.formatting import Formatter
from models.types import Alternative, RecognitionOptions, TextOptions, Word

MAX_ALTERNATIVES = 30
MAX_REPLACEMENTS = 100
_LAST_PHONE_S = 0.12
"""The search tells where a word's last phone begins; on recorded speech the word ends about so much later (median of
`models.evaluation.borders` on the development set)."""
_LIMITS = {"beam_size": (1, 1000), "language_model_weight": (0, 5), "word_bonus": (-5, 5)}


@dataclass(frozen=True, slots=True)
class FinalPass:
    """count: readings of an utterance, at most. has_words: they come with their words."""

    count: int
    tuning: DecodingConfig
    hints: tuple[Phrase, ...]
    formatter: Formatter
    has_words: bool

    def alternatives(
        self, hypotheses: Sequence[Hypothesis], *, start_s: float, outputs: int, output_s: float
    ) -> tuple[Alternative, ...]:
        """start_s: where the utterance begins in the stream. outputs: of the model for it, one after each output_s."""
        return tuple(self._alternative(own, start_s, outputs, output_s) for own in hypotheses)

    def _alternative(self, hypothesis: Hypothesis, start_s: float, outputs: int, output_s: float) -> Alternative:
        tuning = self.tuning
        nexts = [*(word.first_output for word in hypothesis.words[1:]), outputs]
        spoken = [
            Word(
                word.text,
                start_s + word.first_output * output_s,
                start_s + min(word.last_output * output_s + _LAST_PHONE_S, following * output_s),
                calibrated(word.log_prob, tuning.word_confidence_scale, tuning.word_confidence_offset),
            )
            for word, following in zip(hypothesis.words, nexts, strict=True)
        ]
        written = self.formatter.words(spoken)
        return Alternative(
            self.formatter.transcript(written),
            of_all([word.confidence for word in spoken]),
            written if self.has_words else (),
        )


def final_pass_of(options: RecognitionOptions, tuning: DecodingConfig) -> FinalPass:
    """What these options ask of a model that is tuned so. Raises InvalidOptions."""
    if not 1 <= options.max_alternatives <= MAX_ALTERNATIVES:
        raise InvalidOptions(f"max_alternatives is {options.max_alternatives}; use 1 to {MAX_ALTERNATIVES}")
    given = {name: value for name in _LIMITS if (value := getattr(options.decoder, name)) is not None}
    for name, value in given.items():
        lowest, highest = _LIMITS[name]
        if not math.isfinite(value) or not lowest <= value <= highest:
            raise InvalidOptions(f"{name} is {value:g}; use {lowest} to {highest}")
    _check_text(options.text)
    return FinalPass(
        count=options.max_alternatives,
        tuning=replace(tuning, **given),
        hints=phrases_of(options.phrase_hints),
        formatter=Formatter(options.text, options.phrase_hints),
        has_words=options.word_info,
    )


def _check_text(text: TextOptions) -> None:
    if len(text.replacements) > MAX_REPLACEMENTS:
        raise InvalidOptions(f"there are {len(text.replacements)} replacements; send at most {MAX_REPLACEMENTS}")
    if not all(replacement.search for replacement in text.replacements):
        raise InvalidOptions("a replacement searches for nothing; leave it out")
