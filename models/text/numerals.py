"""English number words to numbers, from any place in a list of words. When they become digits is `inverse.py`'s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

UNITS = {word: value for value, word in enumerate("zero one two three four five six seven eight nine".split())}
TEENS = {
    word: value
    for value, word in enumerate(
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(), start=10
    )
}
TENS = {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
MAGNITUDES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
ORDINAL_UNITS = {
    word: value
    for value, word in enumerate("first second third fourth fifth sixth seventh eighth ninth".split(), start=1)
}
_ORDINAL_TEENS = {
    word: value
    for value, word in enumerate(
        "tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth".split(),
        start=10,
    )
}
_ORDINAL_TENS = {word.removesuffix("y") + "ieth": value for word, value in TENS.items()}
_OH = {"oh", "o"}


@dataclass(frozen=True, slots=True)
class Number:
    """value: as a text of digits, with a point if it has decimals. words: how many words it takes.

    magnitude: a word like "million" that stays a word behind it; empty if there is none. is_code: said digit by digit.
    """

    value: str
    words: int
    magnitude: str = ""
    is_code: bool = False

    @property
    def whole(self) -> int | None:
        """The value; None if it has decimals or a magnitude."""
        return int(self.value) if self.value.isdigit() and not self.magnitude else None

    @property
    def text(self) -> str:
        """With commas between thousands from 10,000 on, as years have none."""
        whole, point, decimals = self.value.partition(".")
        if len(whole) > 4 and not self.is_code:
            whole = f"{int(whole):,}"
        return whole + point + decimals + (f" {self.magnitude}" if self.magnitude else "")


def read_number(words: Sequence[str], at: int) -> Number | None:
    """The longest cardinal, decimal or run of digits at `at`: "three point one four", "two hundred and five"."""
    digits = _read_digits(words, at)
    if digits is not None and digits.words >= 3:
        return digits
    year = read_year(words, at)
    if year is not None:
        return year
    found = _read_cardinal(words, at)
    if found is None:
        return None
    value, count = found
    decimals = ""
    if _word(words, at + count) == "point":
        while (digit := _digit(_word(words, at + count + 1 + len(decimals)))) is not None:
            decimals += digit
    if decimals:
        end = at + count + 1 + len(decimals)
        magnitude = _word(words, end)
        if magnitude in MAGNITUDES:
            return Number(f"{value}.{decimals}", end - at + 1, magnitude)
        return Number(f"{value}.{decimals}", end - at)
    last = _word(words, at + count - 1)
    if last in MAGNITUDES and last != "thousand" and value % MAGNITUDES[last] == 0:
        return Number(str(value // MAGNITUDES[last]), count, last)
    return Number(str(value), count)


def read_year(words: Sequence[str], at: int) -> Number | None:
    """A year as two pairs: "nineteen eighty four", "nineteen oh five", "eighteen hundred", "twenty twenty"."""
    first = _read_pair(words, at)
    if first is None or not 11 <= first[0] <= 20:
        return None
    century, count = first
    following = _word(words, at + count)
    if following == "hundred":
        return Number(str(100 * century), count + 1) if century != 20 and not _goes_on(words, at + count + 1) else None
    if following in _OH and (digit := UNITS.get(_word(words, at + count + 1))):
        return Number(str(100 * century + digit), count + 2)
    second = _read_pair(words, at + count)
    if second is None or second[0] < 10:
        return None
    return Number(str(100 * century + second[0]), count + second[1])


def read_ordinal(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """(value, number of words) of "third", "twenty first", "one hundred and tenth"."""
    for length in range(min(8, len(words) - at), 0, -1):
        last = _ordinal_word(words[at + length - 1])
        if last is None:
            continue
        if length == 1:
            return last, 1
        stem = [*words[at : at + length - 1], *_cardinal_words(last)]
        found = _read_cardinal(stem, 0)
        if found is not None and found[1] == len(stem):
            return found[0], length
    return None


def ordinal_text(value: int) -> str:
    """21 -> "21st" """
    ending = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{ending}"


def _read_cardinal(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """(value, number of words), hundreds and magnitudes in falling order, "and" inside, "a" for one."""
    total, count, ceiling = 0, 0, 10**15
    while True:
        start = at + count
        joined = count > 0 and _word(words, start) == "and"
        if joined:
            start += 1
        block = _read_below_thousand(words, start, may_be_a=count == 0)
        if block is None:
            break
        value, size = block
        magnitude = MAGNITUDES.get(_word(words, start + size), 1)
        if magnitude >= ceiling or (count > 0 and magnitude == 1 and value >= ceiling):
            break
        if magnitude == 1 and joined and value >= 100:
            break
        if _word(words, start) == "a" and magnitude == 1 and value != 100:
            break
        size += magnitude > 1
        total, count, ceiling = total + value * magnitude, start + size - at, magnitude
        if magnitude == 1:
            break
    return (total, count) if count else None


def _read_below_thousand(words: Sequence[str], at: int, *, may_be_a: bool) -> tuple[int, int] | None:
    if may_be_a and _word(words, at) == "a" and _word(words, at + 1) in {"hundred", *MAGNITUDES}:
        return (100, 2) if words[at + 1] == "hundred" else (1, 1)
    pair = _read_pair(words, at)
    if pair is None:
        return None
    value, size = pair
    if value >= 10 or value == 0 or _word(words, at + size) != "hundred":
        return pair
    value, size = 100 * value, size + 1
    skip = _word(words, at + size) == "and"
    rest = _read_pair(words, at + size + skip)
    if rest is not None and rest[0] > 0:
        return value + rest[0], size + skip + rest[1]
    return value, size


def _read_pair(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """0 to 99."""
    word = _word(words, at)
    if word in TENS:
        unit = UNITS.get(_word(words, at + 1), 0)
        return (TENS[word] + unit, 2) if unit else (TENS[word], 1)
    value = UNITS.get(word, TEENS.get(word))
    return None if value is None else (value, 1)


def _read_digits(words: Sequence[str], at: int) -> Number | None:
    digits = ""
    while (digit := _digit(_word(words, at + len(digits)))) is not None:
        digits += digit
    if not digits or words[at] in _OH or _goes_on(words, at + len(digits)):
        return None
    return Number(digits, len(digits), is_code=True)


def _goes_on(words: Sequence[str], at: int) -> bool:
    """Whether a cardinal that comes before would go on here."""
    word = _word(words, at)
    return word in {"hundred", *MAGNITUDES} or (word == "and" and _read_pair(words, at + 1) is not None)


def _digit(word: str) -> str | None:
    if word in _OH:
        return "0"
    value = UNITS.get(word)
    return None if value is None else str(value)


def _ordinal_word(word: str) -> int | None:
    if word == "hundredth":
        return 100
    return ORDINAL_UNITS.get(word, _ORDINAL_TEENS.get(word, _ORDINAL_TENS.get(word)))


def _cardinal_words(value: int) -> list[str]:
    if value == 100:
        return ["hundred"]
    names = {number: word for table in (UNITS, TEENS, TENS) for word, number in table.items()}
    return [names[value]]


def _word(words: Sequence[str], at: int) -> str:
    return words[at] if 0 <= at < len(words) else ""
