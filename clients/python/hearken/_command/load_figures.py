"""From what callers have heard when to waiting times and their percentiles. Knows neither server nor screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

from hearken._command.load_calls import Call
from hearken._results import Result

BEHIND_S = 1.0
"""A caller whose packets were held back for so long is behind: the server has not kept up with speech."""

RECOGNIZABLE = 0.5
"""A word whose letters agree so far with the final word's is that word in another spelling."""


@dataclass
class Waits:
    """Waiting times in seconds.

    interim: from the end of the audio that a text covers to its arrival; includes the model's look-ahead.
    final: from the end of an utterance, which includes the silence that ended it, to the arrival of its final result.
    word: user-perceived latency: from the end of a word to the first arrival of a text which has it as in the final
        text, in its place. any_spelling: the same, also for interim words that only resemble the final one. shown: of
        these the words that an interim text had; the others appear with the final text only.
    lag: audio that the server had received and not yet recognized, whenever a result came.
    refusal: from the begin of a call to being told that the server is full.
    """

    interim: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    word: list[float] = field(default_factory=list)
    any_spelling: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    refusal: list[float] = field(default_factory=list)


def figures_of(calls: Sequence[Call]) -> dict[str, Any]:
    """All figures, as they go into JSON; times in milliseconds."""
    waits = Waits()
    for call in calls:
        _add(waits, call)
    heard = [call for call in calls if call.arrivals]
    models = sorted({result.model for call in heard for _, result in call.arrivals[:1]})
    return {
        "models": models,
        "calls": len(calls),
        "refused": sum(call.refused_s is not None for call in calls),
        "failed": dict(Counter(call.failure for call in calls if call.failure is not None)),
        "behind": sum(call.late_s > BEHIND_S for call in calls),
        "audio_s": round(sum(call.audio_s for call in heard), 1),
        "words": len(waits.word),
        "words_only_in_final_text": len(waits.word) - len(waits.shown),
        "milliseconds": {
            "interim": percentiles(waits.interim),
            "final": percentiles(waits.final),
            "user_perceived": percentiles(waits.word),
            "user_perceived_any_spelling": percentiles(waits.any_spelling),
            "user_perceived_of_interim_words": percentiles(waits.shown),
            "lag": percentiles(waits.lag),
            "refusal": percentiles(waits.refusal),
            "packets_late": percentiles([call.late_s for call in heard]),
        },
    }


def percentiles(seconds: Iterable[float]) -> dict[str, float]:
    """Count, p50, p90, p99 and maximum in milliseconds; the count alone if there is nothing."""
    ordered = sorted(seconds)
    found: dict[str, float] = {"count": len(ordered)}
    if ordered:
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)):
            found[name] = round(1000 * _quantile(ordered, share), 1)
    return found


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Between the two nearest values, as numpy's default does it."""
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def _add(waits: Waits, call: Call) -> None:
    if call.refused_s is not None:
        waits.refusal.append(call.refused_s)
    shown: dict[tuple[int, int], list[tuple[float, Result]]] = {}
    for at_s, result in call.arrivals:
        (waits.final if result.is_final else waits.interim).append(at_s - result.end_s)
        if result.clock is not None:
            waits.lag.append(result.clock.lag_s)
        texts = shown.setdefault((result.channel_tag, result.utterance), [])
        texts.append((at_s, result))
        if result.is_final:
            _add_words(waits, texts)


def _add_words(waits: Waits, texts: Sequence[tuple[float, Result]]) -> None:
    """texts: all results of an utterance with their arrivals; the last one is final."""
    *_, (final_at_s, final) = texts
    words = final.words
    exact, similar = [final_at_s] * len(words), [final_at_s] * len(words)
    before = ""
    for at_s, result in texts:
        if result.text == before:
            continue
        before = result.text
        for i, likeness in _aligned(tuple(word.text for word in words), tuple(result.text.split())):
            similar[i] = min(similar[i], at_s)
            if likeness == 1.0:
                exact[i] = min(exact[i], at_s)
    waits.word += [at_s - word.end_s for at_s, word in zip(exact, words, strict=True)]
    waits.any_spelling += [at_s - word.end_s for at_s, word in zip(similar, words, strict=True)]
    waits.shown += [at_s - word.end_s for at_s, word in zip(similar, words, strict=True) if at_s < final_at_s]


@lru_cache(maxsize=10_000)  # many callers say the same recordings and hear the same texts
def _aligned(final: tuple[str, ...], shown: tuple[str, ...]) -> Sequence[tuple[int, float]]:
    """Which final words are in a text, in order, and how alike they are; the alignment that is most alike in sum."""
    # best[i][j]: of the first i final words and the first j of the text.
    best = [[0.0] * (len(shown) + 1) for _ in range(len(final) + 1)]
    for i, word in enumerate(final):
        for j, other in enumerate(shown):
            paired = best[i][j] + _likeness(word, other)
            best[i + 1][j + 1] = max(best[i][j + 1], best[i + 1][j], paired)
    pairs: list[tuple[int, float]] = []
    i, j = len(final), len(shown)
    while i and j:
        likeness = _likeness(final[i - 1], shown[j - 1])
        if likeness and best[i][j] == best[i - 1][j - 1] + likeness:
            pairs.append((i - 1, likeness))
            i, j = i - 1, j - 1
        elif best[i][j] == best[i - 1][j]:
            i -= 1
        else:
            j -= 1
    return pairs


@lru_cache(maxsize=100_000)
def _likeness(word: str, other: str) -> float:
    """1 for the same word, 0 for one that is not recognizable as it."""
    if word == other:
        return 1.0
    likeness = SequenceMatcher(None, word, other, autojunk=False).ratio()
    return likeness if likeness >= RECOGNIZABLE else 0.0
