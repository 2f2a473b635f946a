"""Phrases as callers write them to words that a search can look for."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from models.errors import InvalidOptions
from models.types import PhraseHint

DEFAULT_BOOST = 3.0  # tuned on rare names, see docs/experiments.md
MAX_BOOST = 20.0
MAX_PHRASES = 1000
MAX_PHRASE_CHARACTERS = 100
_MAX_INITIALISM_LETTERS = 5
_BETWEEN_WORDS = re.compile(r"[\s\-\u2010-\u2015_/.,:;!?\"()&+]+")
_APOSTROPHES = re.compile("[\u2018\u2019\u02bc]")
_WORD = re.compile(r"[a-z']*[a-z][a-z']*")


@dataclass(frozen=True, slots=True)
class HintedWord:
    """is_initialism: written in capitals, as GPU, and perhaps spoken letter by letter."""

    text: str
    is_initialism: bool = False


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words one after the other. boost: bonus of each."""

    words: tuple[HintedWord, ...]
    boost: float


def phrases_of(hints: Sequence[PhraseHint]) -> tuple[Phrase, ...]:
    """What a caller has hinted at. Raises InvalidOptions, with the phrase."""
    if len(hints) > MAX_PHRASES:
        raise InvalidOptions(f"there are {len(hints)} phrase hints; send at most {MAX_PHRASES}")
    return tuple(_phrase(hint) for hint in hints)


def _phrase(hint: PhraseHint) -> Phrase:
    if not math.isfinite(hint.boost) or not 0 <= hint.boost <= MAX_BOOST:
        raise InvalidOptions(f"the boost of phrase hint {hint.phrase!r:.50} is {hint.boost:g}; use 0 to {MAX_BOOST:g}")
    if len(hint.phrase) > MAX_PHRASE_CHARACTERS:
        raise InvalidOptions(f"phrase hint {hint.phrase!r:.50}… is longer than {MAX_PHRASE_CHARACTERS} characters")
    # Letters without their accents, and what looks the same as the same.
    plain = "".join(
        letter for letter in unicodedata.normalize("NFKD", hint.phrase) if not unicodedata.combining(letter)
    )
    written = [word for word in _BETWEEN_WORDS.split(_APOSTROPHES.sub("'", plain)) if word]
    for word in written:
        if not _WORD.fullmatch(word.lower()):
            raise InvalidOptions(
                f"phrase hint {hint.phrase!r} holds {word!r}: use the letters a to z, and write numbers as words"
            )
    if not written:
        raise InvalidOptions(f"phrase hint {hint.phrase!r} holds no word")
    words = tuple(
        HintedWord(word.lower(), 1 < len(word) <= _MAX_INITIALISM_LETTERS and word.isupper()) for word in written
    )
    return Phrase(words, hint.boost or DEFAULT_BOOST)
