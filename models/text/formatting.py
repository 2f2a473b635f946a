"""One caller's wishes for final text, in the order in which they are done. Verbatim text passes unchanged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from models.text.inverse import rewrite
from models.text.profanity import masked
from models.text.punctuation import punctuated
from models.types import PhraseHint, Replacement, TextOptions, Word


class Formatter:
    """Recognized words -> words as they are written, and the transcript."""

    def __init__(self, options: TextOptions, hints: Iterable[PhraseHint] = ()) -> None:
        """hints: whose capitals are kept where there are capitals at all."""
        self._options = options
        self._capitals = {word.lower(): word for hint in hints for word in hint.phrase.split() if word != word.lower()}
        self._replacements = options.replacements
        # One pass: what has been replaced is not searched again, so that text cannot grow without end.
        self._searched = re.compile("|".join(map(_group, options.replacements))) if options.replacements else None

    def words(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """With numbers in digits, one for several that were spoken, capitals, punctuation and masks."""
        if self._options.inverse_text_normalization:
            words = _rewritten(words)
        texts = [word.text for word in words]
        if self._options.automatic_punctuation:
            texts = punctuated(texts, self._capitals)
        if self._options.profanity_filter:
            texts = [masked(text) for text in texts]
        return tuple(replace(word, text=text) for word, text in zip(words, texts, strict=True))

    def transcript(self, words: Iterable[Word]) -> str:
        """What `words` gave, with single spaces, and with the caller's replacements."""
        text = " ".join(word.text for word in words)
        return text if self._searched is None else self._searched.sub(self._replacement, text)

    def _replacement(self, found: re.Match[str]) -> str:
        assert found.lastindex is not None
        return self._replacements[found.lastindex - 1].replace


def _group(replacement: Replacement) -> str:
    """Part of an expression in which each replacement has its group; where several fit, the first counts."""
    searched = re.escape(replacement.search)
    return f"((?i:{searched}))" if replacement.ignores_case else f"({searched})"


def _rewritten(words: Sequence[Word]) -> list[Word]:
    joined, at = [], 0
    for written in rewrite([word.text for word in words]):
        spoken = words[at : at + written.words]
        at += written.words
        confidence = sum(word.confidence for word in spoken) / len(spoken)
        joined.append(Word(written.text, spoken[0].start_s, spoken[-1].end_s, confidence))
    return joined
