"""Capitals and punctuation by rules. An utterance is taken for one sentence; where it is two, no rule notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_ALWAYS = {
    word: word.capitalize()
    for word in (
        "i i'm i'll i've i'd monday tuesday wednesday thursday friday saturday sunday january february april june july"
        " september october november december christmas easter english french german spanish italian russian chinese"
        " japanese american british european america england britain france germany spain italy europe africa asia"
        " australia canada china japan india london paris berlin"
    ).split()
}
_QUESTION_WORDS = frozenset("who whom whose what when where why which how who's what's where's how's".split())
_NOT_ASKED = frozenset({("what", "a"), ("what", "an"), ("how", "very"), ("when", "i"), ("when", "he"), ("when", "she")})
_VERBS_FIRST = frozenset(
    "is are am was were do does did can could will would should shall have has had may might isn't aren't wasn't"
    " weren't don't doesn't didn't can't couldn't won't wouldn't shouldn't haven't hasn't".split()
)
_SUBJECTS = frozenset("i you he she it we they this that these those there the a an my your his her our their".split())
_SET_OFF = frozenset("yes no well okay oh however".split())  # at the beginning, a comma follows
_LEAST_BEFORE_BUT, _LEAST_AFTER_BUT = 3, 2


def punctuated(words: Sequence[str], capitals: Mapping[str, str]) -> list[str]:
    """The words with capitals and marks. capitals: words as the caller writes them, by their lowercase."""
    if not words:
        return []
    written = [capitals.get(word, _ALWAYS.get(word, word)) for word in words]
    written[0] = written[0][:1].upper() + written[0][1:]
    for at, word in enumerate(words):
        starts_off = at == 0 and word in _SET_OFF and len(words) > 2
        before_but = (
            at + 1 < len(words)
            and words[at + 1] == "but"
            and at + 1 >= _LEAST_BEFORE_BUT
            and len(words) - at - 2 >= _LEAST_AFTER_BUT
        )
        if starts_off or before_but:
            written[at] += ","
    mark = "?" if _is_question(words) else "."
    written[-1] = written[-1] if written[-1].endswith(mark) else written[-1] + mark
    return written


def _is_question(words: Sequence[str]) -> bool:
    asked = list(words[1:] if words[0] in _SET_OFF | {"and", "but", "so"} else words)
    if len(asked) < 2:
        return asked[:1] in (["why"], ["what"], ["who"], ["where"], ["how"])
    if asked[0] in _QUESTION_WORDS:
        return (asked[0], asked[1]) not in _NOT_ASKED
    return asked[0] in _VERBS_FIRST and asked[1] in _SUBJECTS
