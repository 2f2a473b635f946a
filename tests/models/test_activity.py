"""Speech begins after 0.1 s of it and ends after 0.3 s without; a timer runs where nobody speaks."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from models.activity import NoSpeechTimer, SpeechActivity
from models.types import SpeechEventType

BEGIN, END = SpeechEventType.SPEECH_BEGIN, SpeechEventType.SPEECH_END


def decisions(*runs: int) -> list[bool]:
    """Frames of silence, speech, silence, ..."""
    return [number % 2 == 1 for number, run in enumerate(runs) for _ in range(run)]


def test_begin_and_end_are_where_the_speech_is_not_where_they_became_known() -> None:
    activity = SpeechActivity()
    assert activity.accept(decisions(50, 100, 29)) == [(BEGIN, 50)]
    assert activity.accept([False]) == [(END, 150)]
    assert activity.quiet_frames == 30


def test_clicks_are_no_speech_and_pauses_between_words_no_end() -> None:
    assert SpeechActivity().accept(decisions(50, 9, 50, 9, 50)) == []
    assert SpeechActivity().accept(decisions(50, 100, 29, 5, 29, 100)) == [(BEGIN, 50)]


def test_speech_that_goes_on_ends_with_the_audio() -> None:
    activity = SpeechActivity()
    activity.accept(decisions(0, 100, 20))
    assert activity.finish() == [(END, 100)]
    assert activity.finish() == []


@given(frames=st.lists(st.booleans(), max_size=300), cut=st.integers(1, 50))
def test_any_cutting_gives_the_same_changes_in_turn_and_in_order(frames: list[bool], cut: int) -> None:
    activity = SpeechActivity()
    changes = [change for at in range(0, len(frames), cut) for change in activity.accept(frames[at : at + cut])]
    changes += activity.finish()
    whole = SpeechActivity()
    assert changes == whole.accept(frames) + whole.finish()
    assert [kind for kind, _ in changes] == [BEGIN, END] * (len(changes) // 2)
    assert all(before < after for (_, before), (_, after) in itertools.pairwise(changes))


def test_time_is_up_when_nobody_has_spoken_for_so_long_on_any_channel() -> None:
    silence, speech = decisions(150), decisions(20, 40, 90)
    assert NoSpeechTimer(1.0, 1.0).accept([silence]) == 100
    assert NoSpeechTimer(1.0, 1.0).accept([silence, speech]) is None
    assert NoSpeechTimer(0.9, 0.9).accept([silence, speech]) == 150


def test_the_time_until_speech_begins_and_that_after_it_are_two() -> None:
    silence, speech = decisions(150), decisions(20, 40, 90)
    assert NoSpeechTimer(1.0, None).accept([silence]) == 100
    assert NoSpeechTimer(None, 1.0).accept([silence]) is None
    assert NoSpeechTimer(1.0, None).accept([speech]) is None
    assert NoSpeechTimer(None, 0.9).accept([speech]) == 150


def test_the_time_runs_on_from_piece_to_piece() -> None:
    timer = NoSpeechTimer(1.0, 1.0)
    assert [timer.accept([[False] * 30]) for _ in range(4)] == [None, None, None, 10]
