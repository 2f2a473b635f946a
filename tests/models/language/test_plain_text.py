"""Text becomes sentences of words as they are said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.language.plain_text import number_words, sentences_of
from models.text.inverse import rewrite


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Take 20 mg of Ibuprofen. Then rest!", ["take twenty mg of ibuprofen", "then rest"]),
        ("Dr. Zoë O\u2019Brien\nsaw   her", ["dr zoe o'brien saw her"]),
        ("a headline\n\nand a text", ["a headline", "and a text"]),
        ("In 2024, 1905 and 1800", ["in twenty twenty four nineteen oh five and eighteen hundred"]),
        ("1,500 people; 007; 2005", ["one thousand five hundred people zero zero seven two thousand five"]),
        ("\u201cIt\u2019s late,\u201d she said (twice).", ["it's late she said twice"]),
        ("... ??? 北京", []),
    ],
)
def test_sentences_are_what_a_reader_says(text: str, sentences: list[str]) -> None:
    assert [" ".join(words) for words in sentences_of(text)] == sentences


@given(st.integers(10, 999_999_999))
def test_numbers_are_said_so_that_they_can_be_written_again(value: int) -> None:
    written = "".join(own.text for own in rewrite(number_words(value)))
    million = written.removesuffix(" million")
    assert int(million.replace(",", "")) * (10**6 if million != written else 1) == value


@given(st.text())
def test_any_text_gives_words_of_letters(text: str) -> None:
    assert all(set(word) <= set("abcdefghijklmnopqrstuvwxyz'") for words in sentences_of(text) for word in words)
