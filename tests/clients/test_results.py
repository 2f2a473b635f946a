"""Results read well, and add up."""

from __future__ import annotations

import dataclasses

import pytest

import hearken

WORD = hearken.Word("good", 0.5, 0.75, 0.9)
RESULT = hearken.Result(
    (hearken.Alternative("good", 0.9, (WORD,)),), True, 0.5, 0.75, clock=hearken.AudioClock(2.0, 1.5)
)
NOTHING = hearken.Result((), False, 1.0, 1.0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (WORD, "<Word 'good' 0.50-0.75 s>"),
        (RESULT.alternatives[0], "<Alternative 'good' confidence=0.90>"),
        (hearken.Alternative("good"), "<Alternative 'good'>"),
        (RESULT, "<Result final 0.50-0.75 s 'good'>"),
        (NOTHING, "<Result interim 1.00-1.00 s ''>"),
        (RESULT.clock, "<AudioClock received=2.00 s recognized=1.50 s>"),
        (hearken.Transcript((RESULT,), 2.0), "<Transcript 2.00 s 'good'>"),
        (hearken.Model("small", "en-US", 16_000, (), None), "<Model 'small' en-US 16000 Hz>"),
    ],
)
def test_values_show_what_matters(value: object, shown: str) -> None:
    assert repr(value) == shown


def test_a_transcript_joins_what_was_said() -> None:
    transcript = hearken.Transcript((RESULT, NOTHING, RESULT), 2.0)
    assert transcript.text == str(transcript) == "good good"
    assert transcript.words == (WORD, WORD)


def test_a_result_without_alternatives_is_silence() -> None:
    assert (NOTHING.text, NOTHING.words, NOTHING.confidence) == ("", (), None)


def test_results_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RESULT.is_final = False  # type: ignore[misc]


def test_a_latency_is_its_number() -> None:
    assert hearken.Latency.MS_320 == 320
