"""Riva's EndpointingConfig by its definition: shares of outputs in windows. An output is 40 ms here."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.blanks import BlankEndpointer
from models.types import BlankEndpointing

OUTPUT_S = 0.04
OPTIONS = BlankEndpointing(start_history_s=0.2, start_threshold=0.4, stop_history_s=0.4, stop_threshold=0.8)


def endpointer(options: BlankEndpointing = OPTIONS) -> BlankEndpointer:
    return BlankEndpointer(options, OUTPUT_S)


def blanks(pattern: str) -> list[bool]:
    """`.` is a blank."""
    return [output == "." for output in pattern]


def test_without_a_beginning_there_is_no_end() -> None:
    assert endpointer().accept(blanks("." * 100)) is None
    assert endpointer().accept(blanks("x" + "." * 100)) is None, "1 of 5 outputs is less than 0.4"


def test_an_utterance_ends_when_so_many_outputs_of_the_window_are_blank() -> None:
    assert endpointer().accept(blanks("x.x" + "............")) == 3 + 10
    assert endpointer().accept(blanks("xx" + "..x....x...")) == 2 + 10, "2 of 10 outputs may be no blanks"
    assert endpointer().accept(blanks("xx" + "..x..x.x.....")) == 2 + 13


def test_outputs_before_the_beginning_do_not_count_for_the_end() -> None:
    assert endpointer().accept(blanks("." * 50 + "xx" + "." * 9)) is None
    assert endpointer().accept(blanks("." * 50 + "xx" + "." * 10)) == 62


def test_the_first_window_announces_the_end_once_in_each_pause() -> None:
    options = BlankEndpointing(0.04, 1.0, 0.4, 1.0, first_stop_history_s=0.2, first_stop_threshold=1.0)
    watched = endpointer(options)
    announced = []
    for number, output in enumerate("x......xx......"):
        watched.accept(blanks(output))
        if watched.is_nearly_over:
            announced.append(number)
    assert announced == [5, 13]
    assert not watched.is_over


@given(outputs=st.lists(st.sampled_from([True, True, True, False]), max_size=120), cut=st.integers(1, 40))
def test_any_cutting_gives_the_same_end(outputs: list[bool], cut: int) -> None:
    watched, end = endpointer(), None
    for at in range(0, len(outputs), cut):
        found = watched.accept(outputs[at : at + cut])
        if found is not None:
            end = at + found
            break
    assert end == endpointer().accept(outputs)
