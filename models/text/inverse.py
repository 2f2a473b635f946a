"""Inverse text normalization by rules: numbers, dates, times, money, percent and units in digits (US English).

Small numbers stay words unless something measured follows: "one of them", but "5 km". Whoever wants other rules writes
them here: each is a function from words and a place to what is written there, and the first that fits is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.text.numerals import (
    MAGNITUDES,
    ORDINAL_UNITS,
    Number,
    ordinal_text,
    read_number,
    read_ordinal,
    read_year,
)

_MONTHS = "january february march april may june july august september october november december".split()
_VERBS_TOO = {"may", "march", "august"}  # these months need an ordinal behind them
_CURRENCIES = {"dollar": "$", "dollars": "$", "euro": "€", "euros": "€"}
_CENTS = {"cent", "cents"}
_PERCENT = ("percent", "per cent")
_SYMBOLS = {
    "degrees celsius": "°C",
    "degrees fahrenheit": "°F",
    "kilometers per hour": "km/h",
    "kilometers an hour": "km/h",
    "meters per second": "m/s",
    "miles per hour": "mph",
    "miles an hour": "mph",
    "kilometers": "km",
    "kilometer": "km",
    "centimeters": "cm",
    "centimeter": "cm",
    "millimeters": "mm",
    "millimeter": "mm",
    "kilograms": "kg",
    "kilogram": "kg",
    "milligrams": "mg",
    "milligram": "mg",
    "milliliters": "mL",
    "milliliter": "mL",
    "kilohertz": "kHz",
    "megahertz": "MHz",
    "gigahertz": "GHz",
    "hertz": "Hz",
    "kilobytes": "kB",
    "megabytes": "MB",
    "gigabytes": "GB",
    "terabytes": "TB",
    "kilowatts": "kW",
    "milliseconds": "ms",
}
_MEASURED = frozenset(
    "degrees meters meter grams liters liter miles feet inches pounds ounces yards gallons acres watts volts seconds"
    " minutes minute hours hour days weeks months years".split()
)
_LONGEST_UNIT_WORDS = 3
_LEAST_BARE = 10  # smaller numbers stay words if nothing measured follows


@dataclass(frozen=True, slots=True)
class Written:
    """What is written instead of so many words."""

    text: str
    words: int


Rule = Callable[[Sequence[str], int], Written | None]


def rewrite(words: Sequence[str]) -> list[Written]:
    """The words in order, each alone or joined with others into what is written for them."""
    written, at = [], 0
    while at < len(words):
        found = next((own for rule in _RULES if (own := rule(words, at)) is not None), None)
        written.append(found or Written(words[at], 1))
        at += written[-1].words
    return written


def _date(words: Sequence[str], at: int) -> Written | None:
    """march third twenty twenty four -> March 3, 2024; june nineteen ninety -> June 1990"""
    month = words[at]
    if month not in _MONTHS:
        return None
    day = read_ordinal(words, at + 1)
    if day is None and month not in _VERBS_TOO and read_year(words, at + 1) is None:
        cardinal = read_number(words, at + 1)
        if cardinal is not None and cardinal.whole is not None:
            day = cardinal.whole, cardinal.words
    if day is None:
        year = _year(words, at + 1)
        return None if year is None else Written(f"{month.capitalize()} {year.value}", 1 + year.words)
    if not 1 <= day[0] <= 31:
        return None
    end = at + 1 + day[1]
    year = _year(words, end)
    if year is None:
        return Written(f"{month.capitalize()} {day[0]}", end - at)
    return Written(f"{month.capitalize()} {day[0]}, {year.value}", end - at + year.words)


def _day_of_month(words: Sequence[str], at: int) -> Written | None:
    """third of march -> 3rd of March"""
    day = read_ordinal(words, at)
    if day is None or not 1 <= day[0] <= 31:
        return None
    end = at + day[1]
    if words[end : end + 1] != ["of"] or end + 1 >= len(words) or words[end + 1] not in _MONTHS:
        return None
    return Written(f"{ordinal_text(day[0])} of {words[end + 1].capitalize()}", day[1] + 2)


def _time(words: Sequence[str], at: int) -> Written | None:
    """seven thirty p m -> 7:30 p.m.; quarter past six -> 6:15; at nine oh five -> 9:05"""
    for parts, minutes, shift in (
        (("half", "past"), 30, 0),
        (("quarter", "past"), 15, 0),
        (("quarter", "to"), 45, -1),
    ):
        if tuple(words[at : at + 2]) == parts and (hour := _hour(words, at + 2)) is not None:
            value = hour.whole or 0
            return Written(f"{(value + shift - 1) % 12 + 1}:{minutes}", 2 + hour.words)
    hour = _hour(words, at)
    if hour is None:
        return None
    end = at + hour.words
    if words[end : end + 1] == ["o'clock"]:
        return Written(f"{hour.value} o'clock", end + 1 - at)
    minutes_read = _minutes(words, end)
    minutes_text = ""
    if minutes_read is not None:
        minutes_text, end = f":{minutes_read[0]:02d}", end + minutes_read[1]
    half = _half_of_day(words, end)
    if half is not None:
        return Written(f"{hour.value}{minutes_text} {half[0]}", end + half[1] - at)
    if minutes_text and at > 0 and words[at - 1] == "at":
        return Written(f"{hour.value}{minutes_text}", end - at)
    return None


def _money(words: Sequence[str], at: int) -> Written | None:
    """five dollars and twenty cents -> $5.20; two million euros -> €2 million"""
    number = read_number(words, at)
    if number is None:
        return None
    end = at + number.words
    unit = words[end] if end < len(words) else ""
    if unit in _CENTS:
        return Written(f"{number.text}¢", number.words + 1)
    if unit not in _CURRENCIES:
        return None
    amount = _CURRENCIES[unit] + number.text
    end += 1
    skip = words[end : end + 1] == ["and"]
    cents = read_number(words, end + skip)
    if number.whole is not None and cents is not None and cents.whole is not None and cents.whole < 100:
        after = end + skip + cents.words
        if after < len(words) and words[after] in _CENTS:
            return Written(f"{amount}.{cents.whole:02d}", after + 1 - at)
    return Written(amount, end - at)


def _measure(words: Sequence[str], at: int) -> Written | None:
    """ninety percent -> 90%; five kilometers -> 5 km; three miles -> 3 miles"""
    number, sign = _signed(words, at)
    if number is None:
        return None
    end = at + bool(sign) + number.words
    value = sign + number.text
    for length in range(min(_LONGEST_UNIT_WORDS, len(words) - end), 0, -1):
        unit = " ".join(words[end : end + length])
        if unit in _PERCENT:
            return Written(f"{value}%", end + length - at)
        if unit in _SYMBOLS:
            space = "" if _SYMBOLS[unit].startswith("°") else " "
            return Written(f"{value}{space}{_SYMBOLS[unit]}", end + length - at)
    if end < len(words) and words[end] in _MEASURED and number.value != "1":
        return Written(value, end - at)
    return None


def _number(words: Sequence[str], at: int) -> Written | None:
    """twenty one -> 21; three point five -> 3.5; five five five one -> 5551"""
    number, sign = _signed(words, at)
    if number is None:
        return None
    if number.whole is not None and number.whole < _LEAST_BARE and number.words == 1 and not sign:
        return None
    return Written(sign + number.text, bool(sign) + number.words)


def _ordinal(words: Sequence[str], at: int) -> Written | None:
    """twenty first -> 21st; first to ninth stay words"""
    found = read_ordinal(words, at)
    if found is None or (found[1] == 1 and words[at] in ORDINAL_UNITS):
        return None
    return Written(ordinal_text(found[0]), found[1])


_RULES: tuple[Rule, ...] = (_date, _day_of_month, _time, _money, _measure, _ordinal, _number)


def _year(words: Sequence[str], at: int) -> Number | None:
    number = read_number(words, at)
    if number is None or number.whole is None or not 1000 <= number.whole <= 2999:
        return None
    return number


def _hour(words: Sequence[str], at: int) -> Number | None:
    if at >= len(words):
        return None
    number = read_number(words[at : at + 1], 0)
    return number if number is not None and number.whole is not None and 1 <= number.whole <= 12 else None


def _minutes(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """(minutes, number of words): "thirty", "oh five"."""
    if words[at : at + 1] in (["oh"], ["o"]):
        digit = read_number(words[at + 1 : at + 2], 0)
        return (digit.whole, 2) if digit is not None and digit.whole is not None and 0 < digit.whole < 10 else None
    number = read_number(words[at : at + 2], 0)
    if number is None or number.whole is None or not 10 <= number.whole < 60:
        return None
    return number.whole, number.words


def _half_of_day(words: Sequence[str], at: int) -> tuple[str, int] | None:
    for half in "ap":
        if words[at : at + 2] == [half, "m"]:
            return f"{half}.m.", 2
        if words[at : at + 1] == [f"{half}m"]:
            return f"{half}.m.", 1
    return None


def _signed(words: Sequence[str], at: int) -> tuple[Number | None, str]:
    if words[at] in ("minus", "negative") and (number := read_number(words, at + 1)) is not None:
        return number, "-"
    if words[at] == "a" and (at + 1 >= len(words) or words[at + 1] not in {"hundred", *MAGNITUDES}):
        return None, ""
    return read_number(words, at), ""
