"""Subtitles: lines that fit, cues that can be read, and every word once and in order."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hearken
from hearken._subtitles import CUE_S, LINE_CHARS, cues_of


def result(words: list[hearken.Word]) -> hearken.Result:
    text = " ".join(word.text for word in words)
    return hearken.Result((hearken.Alternative(text, words=tuple(words)),), True, words[0].start_s, words[-1].end_s)


def spoken(text: str, start_s: float = 0.0, word_s: float = 0.4) -> list[hearken.Word]:
    return [
        hearken.Word(word, start_s + i * word_s, start_s + i * word_s + 0.8 * word_s)
        for i, word in enumerate(text.split())
    ]


@st.composite
def results(draw: st.DrawFn) -> list[hearken.Result]:
    """Utterances of words with any lengths and pauses, one after the other."""
    time_s, found = 0.0, []
    for _ in range(draw(st.integers(1, 4))):
        words = []
        for _ in range(draw(st.integers(1, 40))):
            time_s += draw(st.sampled_from([0.0, 0.0, 0.0, 0.1, 0.5, 2.0]))
            length_s = draw(st.sampled_from([0.05, 0.2, 0.4, 1.0]))
            words.append(
                hearken.Word(draw(st.sampled_from(["a", "train", "understand", "x" * 30])), time_s, time_s + length_s)
            )
            time_s += length_s
        found.append(result(words))
    return found


@given(results())
def test_cues_fit_and_hold_every_word_once_in_order_while_it_is_said(given_results: list[hearken.Result]) -> None:
    cues = cues_of(given_results)
    words = [word for result in given_results for word in result.words]
    assert " ".join(line for cue in cues for line in cue.lines).split() == [word.text for word in words]
    for cue in cues:
        held = [words.pop(0) for _ in " ".join(cue.lines).split()]
        assert len(cue.lines) <= 2
        assert all(len(line) <= LINE_CHARS for line in cue.lines)
        assert cue.start_s == held[0].start_s
        assert held[-1].end_s <= cue.end_s
        assert held[-1].end_s - held[0].start_s <= CUE_S
    assert all(one.end_s <= other.start_s for one, other in itertools.pairwise(cues))


def test_lines_and_cues_have_similar_lengths() -> None:
    text = "the rain has stopped at last and the streets are almost dry so we can walk to the market before lunch"
    first, second = cues_of([result(spoken(text, word_s=0.25))])
    assert first.lines == ("the rain has stopped at", "last and the streets are")
    assert second.lines == ("almost dry so we can walk", "to the market before lunch")


def test_a_cue_ends_where_the_speaker_pauses() -> None:
    words = spoken("we waited for the train") + spoken("and it came", start_s=4.0)
    assert [cue.lines for cue in cues_of([result(words)])] == [("we waited for the train",), ("and it came",)]


def test_a_short_cue_stays_for_as_long_as_the_next_one_lets_it() -> None:
    cues = cues_of([result(spoken("yes")), result(spoken("no", start_s=0.6)), result(spoken("maybe", start_s=9.0))])
    assert [(cue.start_s, cue.end_s) for cue in cues] == [(0.0, 0.6), (0.6, 1.6), (9.0, 10.0)]


def test_a_word_longer_than_a_line_has_one_to_itself() -> None:
    cues = cues_of([result(spoken(f"say {'x' * 50} again"))])
    assert [cue.lines for cue in cues] == [("say",), ("x" * 50,), ("again",)]


def test_files_are_as_players_want_them() -> None:
    spoken_results = [result(spoken("rock & roll")), result(spoken("a<b", start_s=3661.0))]
    assert hearken.to_srt(spoken_results) == (
        "1\n00:00:00,000 --> 00:00:01,120\nrock & roll\n\n2\n01:01:01,000 --> 01:01:02,000\na<b\n"
    )
    assert hearken.to_vtt(spoken_results) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.120\nrock &amp; roll\n\n01:01:01.000 --> 01:01:02.000\na&lt;b\n"
    )
    assert (hearken.to_srt([]), hearken.to_vtt([])) == ("", "WEBVTT\n")


def test_without_word_times_there_are_no_subtitles() -> None:
    said = hearken.Result((hearken.Alternative("good morning"),), True, 0.0, 1.0)
    with pytest.raises(ValueError, match="word_info=True"):
        hearken.to_srt([said])
