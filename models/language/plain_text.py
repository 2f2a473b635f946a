"""Text as people write it to sentences as they say them: lowercase words, numbers spelled out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

_SENTENCE_END = re.compile(r"[.!?]+(?=[\s\"')\]]|$)|\n\s*\n")
_TOKEN = re.compile(r"[0-9]+(?:,[0-9]{3})*|[a-z']*[a-z][a-z']*")
_APOSTROPHES = re.compile("[\u2018\u2019\u02bc]")
_ABBREVIATIONS = re.compile(r"\b(mr|mrs|ms|dr|st|vs|etc|e\.g|i\.e)\.", re.IGNORECASE)
_MOST_DIGITS = 9
_BELOW_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_MAGNITUDES = ((10**6, "million"), (1000, "thousand"), (100, "hundred"))


def sentences_of(text: str) -> Iterator[list[str]]:
    """Sentences with at least one word; whatever is neither a word of a-z nor a number is left out."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    plain = _ABBREVIATIONS.sub(r"\1", _APOSTROPHES.sub("'", plain)).lower()
    for sentence in _SENTENCE_END.split(plain):
        if words := [word for token in _TOKEN.findall(sentence) for word in _words_of(token)]:
            yield words


def number_words(value: int) -> list[str]:
    """As it is said: 2024 -> two thousand twenty four. value: 0 to 999,999,999."""
    if value < len(_BELOW_TWENTY):
        return [_BELOW_TWENTY[value]]
    if value < 100:
        tens, unit = divmod(value, 10)
        return [_TENS[tens - 2], *(number_words(unit) if unit else [])]
    size, name = next(magnitude for magnitude in _MAGNITUDES if value >= magnitude[0])
    count, rest = divmod(value, size)
    return [*number_words(count), name, *(number_words(rest) if rest else [])]


def _year_words(year: int) -> list[str]:
    """1905 -> nineteen oh five"""
    century, rest = divmod(year, 100)
    if rest == 0:
        return [*number_words(century), "hundred"]
    return [*number_words(century), *(["oh"] if rest < 10 else []), *number_words(rest)]


def _words_of(token: str) -> Iterable[str]:
    if not token[0].isdigit():
        word = token.strip("'")
        return [word] if word else []
    digits = token.replace(",", "")
    if len(token) == 4 and (1100 <= int(digits) < 2000 or 2010 <= int(digits) < 2100):
        return _year_words(int(digits))
    if len(digits) <= _MOST_DIGITS and not (len(digits) > 1 and digits[0] == "0"):
        return number_words(int(digits))
    return [_BELOW_TWENTY[int(digit)] for digit in digits]
