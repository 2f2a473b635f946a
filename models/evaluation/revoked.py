"""Words that were shown and then taken back: how much captions flicker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from models.types import Result


def revoked_words(results: Iterable[Result]) -> int:
    """How many words of each result of a stream the next one of its utterance does not show any more.

    A last word that only grows is not revoked.
    """
    texts: dict[tuple[int, int], list[str]] = {}
    for result in results:
        texts.setdefault((result.channel_tag, result.utterance), []).append(result.alternatives[0].transcript)
    return sum(_revoked(before.split(), after.split()) for own in texts.values() for before, after in pairwise(own))


def _revoked(before: Sequence[str], after: Sequence[str]) -> int:
    if before and len(after) >= len(before) and after[len(before) - 1].startswith(before[-1]):
        before = [*before[:-1], after[len(before) - 1]]
    blocks = SequenceMatcher(a=before, b=after, autojunk=False).get_matching_blocks()
    return len(before) - sum(block.size for block in blocks)
