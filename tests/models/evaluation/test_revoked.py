"""Words count as revoked when they have been shown and are not shown any more."""

from __future__ import annotations

import pytest

from models.evaluation.revoked import revoked_words
from models.types import Alternative, Result


def results(*texts: str, utterance: int = 0) -> list[Result]:
    return [
        Result((Alternative(text),), is_final=text == texts[-1], start_s=0.0, end_s=1.0, utterance=utterance)
        for text in texts
    ]


@pytest.mark.parametrize(
    ("texts", "count"),
    [
        (("good", "good mor", "good morning"), 0),
        (("god", "good"), 1),
        (("the train", "the rain in", "the rain in spain"), 1),
        (("a b c", "x a b c"), 0),
        (("a b c", ""), 3),
        (("is any", "is anybody there"), 0),
    ],
)
def test_what_is_revoked(texts: tuple[str, ...], count: int) -> None:
    assert revoked_words(results(*texts)) == count


def test_each_utterance_counts_for_itself() -> None:
    assert revoked_words([*results("one", "one"), *results("two", "too", utterance=1)]) == 1
