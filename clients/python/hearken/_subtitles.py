"""Words and their times into subtitles: cues of at most two lines, as SubRip (SRT) or WebVTT text.

Where the words come from, and where the text goes, is left to others.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hearken._results import Result, Word

LINE_CHARS = 42
CUE_S = 7.0
"""Longest time that a cue takes its words from."""

# Nobody reads in less; a cue stays up for this long if the next one leaves it the time.
_SHORTEST_CUE_S = 1.0

# A pause that always begins another cue, and what a shorter one is worth (a second of it, in cues' cost).
_PAUSE_S = 1.5
_PAUSE_WORTH = 0.5


@dataclass(frozen=True, slots=True)
class Cue:
    """One or two lines, and when they are shown."""

    lines: tuple[str, ...]
    start_s: float
    end_s: float


def cues_of(results: Iterable[Result]) -> tuple[Cue, ...]:
    """Cues for final results, whose words must be there (`word_info`); raises ValueError if they are not.

    A cue holds words of one utterance. Among the possible cuts those are taken which give few cues of similar length
    that end in pauses. A word longer than a line has a line to itself.
    """
    found: list[Cue] = []
    for result in results:
        if result.text and not result.words:
            raise ValueError("subtitles need the times of words; ask for them with word_info=True")
        for words in _runs(result.words):
            found += _cues_of_run(words)
    return tuple(_held(found))


def to_srt(results: Iterable[Result]) -> str:
    """The text of a .srt file; see cues_of."""
    return "\n".join(
        f"{number}\n{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}\n" + "\n".join(cue.lines) + "\n"
        for number, cue in enumerate(cues_of(results), start=1)
    )


def to_vtt(results: Iterable[Result]) -> str:
    """The text of a .vtt file; see cues_of."""
    cues = (
        f"\n{_clock(cue.start_s, '.')} --> {_clock(cue.end_s, '.')}\n"
        + "\n".join(html.escape(line, quote=False) for line in cue.lines)
        + "\n"
        for cue in cues_of(results)
    )
    return "WEBVTT\n" + "".join(cues)


def _runs(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """The words between long pauses."""
    start = 0
    for i in range(1, len(words) + 1):
        if i == len(words) or words[i].start_s - words[i - 1].end_s >= _PAUSE_S:
            yield words[start:i]
            start = i


def _cues_of_run(words: Sequence[Word]) -> list[Cue]:
    # best[i]: the least cost of the first i words, where the last cue before i begins, and that cue's lines.
    best: list[tuple[float, int, tuple[str, ...]]] = [(0.0, 0, ())]
    for end in range(1, len(words) + 1):
        choices = []
        for start in range(end - 1, -1, -1):
            lines = _lines([word.text for word in words[start:end]])
            fits = lines is not None and words[end - 1].end_s - words[start].start_s <= CUE_S
            if not fits and start < end - 1:
                break
            lines = lines or (words[start].text,)
            unused = max(0.0, 1 - sum(map(len, lines)) / (2 * LINE_CHARS))
            pause_s = words[end].start_s - words[end - 1].end_s if end < len(words) else 0.0
            choices.append((best[start][0] + 1 + unused**2 - _PAUSE_WORTH * pause_s, start, lines))
        best.append(min(choices))
    cues: list[Cue] = []
    end = len(words)
    while end:
        _, start, lines = best[end]
        cues.append(Cue(lines, words[start].start_s, words[end - 1].end_s))
        end = start
    return cues[::-1]


def _lines(words: Sequence[str]) -> tuple[str, ...] | None:
    """The words in one line or in two of similar length; None if they do not fit."""
    text = " ".join(words)
    if len(text) <= LINE_CHARS:
        return (text,)
    pairs = ((" ".join(words[:cut]), " ".join(words[cut:])) for cut in range(1, len(words)))
    pair = min(pairs, key=lambda pair: max(map(len, pair)), default=None)
    return pair if pair is not None and max(map(len, pair)) <= LINE_CHARS else None


def _held(cues: Sequence[Cue]) -> Iterator[Cue]:
    """The same cues, each shown long enough to be read, and none while the next is shown."""
    for i, cue in enumerate(cues):
        end_s = max(cue.end_s, cue.start_s + _SHORTEST_CUE_S)
        if i + 1 < len(cues):
            end_s = min(end_s, cues[i + 1].start_s)
        yield Cue(cue.lines, cue.start_s, max(end_s, cue.start_s))


def _clock(time_s: float, decimal_mark: str) -> str:
    milliseconds = round(time_s * 1000)
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{decimal_mark}{milliseconds:03}"
