"""Numbers, dates, times, money and units in digits; whatever is not one of them stays as it was said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text.inverse import rewrite
from models.text.numerals import MAGNITUDES, ORDINAL_UNITS, TEENS, TENS, UNITS

WRITTEN = {
    # cardinals
    "i have one apple and twenty one pears": "i have one apple and 21 pears",
    "nine of ten": "nine of 10",
    "two hundred and five people": "205 people",
    "a hundred people and a thousand cars": "100 people and 1000 cars",
    "one hundred thousand": "100,000",
    "ten thousand five hundred and three": "10,503",
    "three million two hundred thousand": "3,200,000",
    "five million": "5 million",
    "two point five billion": "2.5 billion",
    "one thousand and one nights": "1001 nights",
    "minus eleven": "-11",
    "three point one four": "3.14",
    "three point": "three point",
    "the two of us": "the two of us",
    "a man and a dog": "a man and a dog",
    # digit by digit
    "call five five five one two one two now": "call 5551212 now",
    "nine one one": "911",
    "room oh five": "room oh five",
    "one two": "one two",
    # years
    "nineteen eighty four was good": "1984 was good",
    "in nineteen oh five": "in 1905",
    "eighteen hundred": "1800",
    "two thousand and ten": "2010",
    "twenty twenty": "2020",
    # ordinals
    "the twenty first century": "the 21st century",
    "the first and the tenth": "the first and the 10th",
    "the one hundred and second time": "the 102nd time",
    "one hundred and eleventh": "111th",
    # dates
    "march third twenty twenty four": "March 3, 2024",
    "december twenty fifth": "December 25",
    "the third of march": "the 3rd of March",
    "june twenty one": "June 21",
    "june nineteen ninety": "June 1990",
    "we march twenty miles": "we march 20 miles",
    "may i have two": "may i have two",
    # times
    "meet me at seven thirty p m": "meet me at 7:30 p.m.",
    "seven am": "7 a.m.",
    "at nine oh five": "at 9:05",
    "at seven o'clock": "at 7 o'clock",
    "quarter past six": "6:15",
    "half past twelve": "12:30",
    "quarter to one": "12:45",
    "i am at five": "i am at five",
    # money
    "five dollars and twenty cents": "$5.20",
    "two point five million dollars": "$2.5 million",
    "ten euros": "€10",
    "twenty cents": "20¢",
    # percent and units
    "ninety percent": "90%",
    "zero point five per cent": "0.5%",
    "five kilometers per hour": "5 km/h",
    "minus twenty degrees celsius": "-20°C",
    "sixty miles an hour": "60 mph",
    "five minutes": "5 minutes",
    "one mile": "one mile",
    "three gigabytes": "3 GB",
}


@pytest.mark.parametrize(("spoken", "written"), WRITTEN.items(), ids=WRITTEN)
def test_what_was_said_is_written_in_digits(spoken: str, written: str) -> None:
    assert " ".join(own.text for own in rewrite(spoken.split())) == written


WORDS = [*UNITS, *TEENS, *TENS, *MAGNITUDES, *ORDINAL_UNITS, "hundred", "and", "a", "point", "oh", "minus", "march"]


def test_a_unit_at_the_end_counts_its_own_words_only() -> None:
    assert [own.words for own in rewrite(["zero", "percent"])] == [2]


@given(st.lists(st.sampled_from([*WORDS, "p", "m", "dollars", "cents", "of", "at", "half", "past", "percent", "cat"])))
def test_every_word_is_written_once_or_belongs_to_something_that_is(words: list[str]) -> None:
    written = rewrite(words)
    assert sum(own.words for own in written) == len(words)
    assert all(own.words > 0 and own.text for own in written)
